"""How much filament a print's moves push: in either mode, with several tools, whatever is drawn back between."""

import io
import random
import tracemalloc

import pytest

from local.sample_print import make_3mf
from printpipe.domain.print_files import inspect
from printpipe.domain.print_files.extrusion import Extruded, ExtrusionScan, read_extruded
from tests.unit.print_files import samples


def scanned(text: str, piece: int = 1 << 20) -> Extruded:
    scan, data = ExtrusionScan(), text.encode()
    for start in range(0, len(data), piece):
        scan.feed(data[start : start + piece])
    return scan.finish()


@pytest.mark.parametrize(
    ("text", "pushed"),
    [
        ("G28\nG1 X1 Y1\n", {}),
        ("G1 X1 E2\nG1 X2 E3.5\n", {1: 3.5}),
        ("G1 E5\nG92 E0\nG1 X2 E2\n", {1: 7.0}),
        ("G1 E5\nG1 E3\nG1 E6\n", {1: 6.0}),
        ("M83\nG1 E5\nG1 E-2\nG1 E2\nG2 X1 Y1 I1 J1 E.5\n", {1: 5.5}),
        ("M83\nG1 E5\nM82\nG92 E0\nG1 E1\n", {1: 6.0}),
        ("M82\nG1 E9\nG91\nG1 E-2 Z10\nG90\nG1 E10\n", {1: 8.0}),
        ("M83\nG1 E1\nT1\nG1 E2\nT255\nG1 E4\nT0\nG1 E.5\n", {1: 1.5, 2: 6.0}),
        ("M83\nG1 E1 ; G1 E900\n;G1 E900\nG1 F3000 ;E900\nM104 S200 E9\nG10 E3\n", {1: 1.0}),
        ("N1 M83\nN2 G1 E3*71\n", {1: 3.0}),
        ("M83\r\nG1 E3\r\n", {1: 3.0}),
        ("M83\nG1 E\nG1 E-\nG1 E.\nG1 E2", {1: 2.0}),
        ("M83\nG1 E-5\n", {}),
    ],
)
def test_moves_are_followed(text: str, pushed: dict[int, float]) -> None:
    assert scanned(text).millimetres == pushed


def test_pieces_may_be_cut_anywhere() -> None:
    text = "M83\n" + samples.MOVES + "T1\nG1 E3\n; filament_density: 1.26,1.3\n"
    whole = scanned(text)
    chance = random.Random(7)
    for _ in range(20):
        assert scanned(text, chance.randrange(1, 400)) == whole
    assert whole.densities == (1.26, 1.3)


def test_what_the_slicer_says_of_the_filament_is_told() -> None:
    told = scanned("; filament_diameter = 2.85,1.75\n; filament_density = 0;1.3\n; filament_density = 9\nG1 E1\n")
    assert (told.diameters, told.densities) == ((2.85, 1.75), (0.0, 1.3))


def test_a_line_without_an_end_takes_no_memory() -> None:
    scan, piece = ExtrusionScan(), b"G1 X" * (64 << 10)
    tracemalloc.start()
    for _ in range(100):
        scan.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert scan.finish().total == 0


def test_the_moves_of_a_3mf_push_what_its_slicer_says() -> None:
    source = io.BytesIO(make_3mf("two", layers=4, plates=2))
    plates = inspect(source, "two.3mf").plates
    found = read_extruded(source, {each.index: each.gcode_path for each in plates}, {2})
    assert list(found) == [2]
    assert found[2].total / 1000 == pytest.approx(plates[1].filament[0].used_m, abs=0.01)
