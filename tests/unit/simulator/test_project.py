"""What the simulated printer reads from the files it is told to print."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from local.sample_print import make_3mf
from local.simulator.project import (
    PARSE_ERROR,
    STORAGE_ERROR,
    PlatePlan,
    ProjectError,
    read_gcode_file,
    read_plate,
    seconds_of,
)

PLATE = "Metadata/plate_1.gcode"


def stored(folder: Path, content: bytes, name: str = "a.gcode.3mf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def error_of(path: Path, member: str = PLATE, md5: str = "") -> int:
    with pytest.raises(ProjectError) as caught:
        read_plate(path, member, md5)
    return caught.value.print_error


def test_the_header_tells_layers_time_and_temperatures(tmp_path: Path) -> None:
    path = stored(tmp_path, make_3mf("cube", layers=30, seconds=4000, plates=2, filament="PETG"))
    assert read_plate(path, "Metadata/plate_2.gcode") == PlatePlan(layers=30, seconds=4000, nozzle=255, bed=70)


def test_the_digest_is_upper_hex_of_the_whole_file(tmp_path: Path) -> None:
    content = make_3mf("cube")
    path = stored(tmp_path, content)
    digest = hashlib.md5(content).hexdigest()
    assert read_plate(path, PLATE, digest.upper()).layers == 12
    assert error_of(path, md5=digest) == PARSE_ERROR
    assert error_of(path, md5="0" * 32) == PARSE_ERROR


def test_what_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    content = make_3mf("cube")
    assert error_of(tmp_path / "missing.3mf") == STORAGE_ERROR
    assert error_of(stored(tmp_path, content), "Metadata/plate_2.gcode") == PARSE_ERROR
    assert error_of(stored(tmp_path, content[:-200])) == PARSE_ERROR
    assert error_of(stored(tmp_path, b"G28\n")) == PARSE_ERROR
    assert error_of(stored(tmp_path, b"")) == PARSE_ERROR


def test_a_damaged_plate_is_refused(tmp_path: Path) -> None:
    content = bytearray(make_3mf("cube"))
    start = content.index(b"Metadata/plate_1.gcode") + 22
    content[start : start + 300] = bytes(300)
    assert error_of(stored(tmp_path, bytes(content))) == PARSE_ERROR


def test_a_plate_without_moves_is_refused(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr(PLATE, "; total layer number: 3\n")
    assert error_of(stored(tmp_path, archive.getvalue())) == PARSE_ERROR


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("; total layer number: 7\n; model printing time: 1m 0s; total estimated time: 2m 5s\nG1 X1\n", (7, 125)),
        (";LAYER_CHANGE\nG1 X1\n;LAYER_CHANGE\nG1 X2\n; estimated printing time (normal mode) = 1h 2m 3s\n", (2, 3723)),
        ("; CHANGE_LAYER\nG1 X1\n", (1, 60)),
    ],
)
def test_other_headers_and_none(tmp_path: Path, text: str, plan: tuple[int, int]) -> None:
    read = read_gcode_file(stored(tmp_path, text.encode(), "a.gcode"))
    assert (read.layers, read.seconds) == plan


def test_durations() -> None:
    assert seconds_of("1d 2h 3m 4s") == 93784
    assert seconds_of("45s") == 45
