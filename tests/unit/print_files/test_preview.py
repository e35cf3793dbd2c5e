"""The picture of a file that was not read yet: found without reading the file, and none of a hostile one."""

import io

import pytest

from local.sample_print import make_3mf, thumbnail
from printpipe.domain.print_files import read_preview
from tests.unit.print_files import samples


class Counted(io.BytesIO):
    """A file that counts the bytes which are read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_of_a_3mf_the_first_good_one() -> None:
    parts = samples.bambu_parts()
    assert read_preview(io.BytesIO(samples.pack(parts)), "3mf") == parts["Metadata/plate_1.png"]
    two = samples.pack({**parts, "Metadata/plate_1.png": b"GIF89a" + bytes(99), "Metadata/plate_3.png": samples.png()})
    assert read_preview(io.BytesIO(two), "3mf") == samples.png()


def test_the_moves_are_not_read_for_it() -> None:
    source = Counted(samples.pack(samples.bambu_parts() | {"Metadata/plate_1.gcode": samples.noise(3 << 20)}))
    assert read_preview(source, "3mf") is not None
    assert source.taken < 1 << 20


def test_of_gcode_the_largest_at_its_start() -> None:
    text = samples.thumbnail_block(thumbnail(48), "48x48") + samples.MOVES
    source = Counted(text.encode() + samples.MOVES.encode() * 300)
    assert read_preview(source, "gcode") == thumbnail(48)
    assert source.taken <= 512 << 10


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", samples.noise(9_000), make_3mf("cut")[:-30], b"G28\n"])
@pytest.mark.parametrize("kind", ["3mf", "gcode"])
def test_a_damaged_file_has_none(content: bytes, kind: str) -> None:
    assert read_preview(io.BytesIO(content), kind) is None  # type: ignore[arg-type]
