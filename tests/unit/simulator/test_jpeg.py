"""The camera's pictures decode to what was drawn."""

import struct

from local.simulator.camera import picture_of
from local.simulator.jpeg import grey_blocks


def segments(picture: bytes) -> tuple[dict[int, bytes], bytes]:
    """The segments by marker, and the entropy-coded data without its stuffing."""
    assert picture[:2] == b"\xff\xd8"
    assert picture[-2:] == b"\xff\xd9"
    found, at = {}, 2
    while True:
        marker, length = struct.unpack_from(">HH", picture, at)
        found[marker & 0xFF] = picture[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDA:
            return found, picture[at:-2].replace(b"\xff\x00", b"\xff")


def decoded(picture: bytes) -> list[list[int]]:
    """The levels of the blocks; knows the tables that the encoder uses."""
    found, scan = segments(picture)
    precision, height, width, components = struct.unpack_from(">BHHB", found[0xC0])
    assert (precision, components) == (8, 1)
    assert set(found[0xDB][1:]) == {8}
    bits, at, level = "".join(f"{byte:08b}" for byte in scan), 0, 0
    values = []
    for _ in range(height * width // 64):
        size = int(bits[at : at + 4], 2)
        at += 4
        if size:
            text = bits[at : at + size]
            level += int(text, 2) if text[0] == "1" else int(text, 2) - (1 << size) + 1
            at += size
        assert bits[at] == "0"
        at += 1
        values.append(level + 128)
    assert set(bits[at:]) <= {"1"}
    return [values[row : row + width // 8] for row in range(0, len(values), width // 8)]


def test_every_level_survives() -> None:
    rows = [[0, 255, 128, 127], [1, 254, 0, 0], [255, 255, 3, 200]]
    assert decoded(grey_blocks(rows)) == rows


def test_pictures_show_progress_and_time() -> None:
    assert picture_of(50, 1) == picture_of(50, 1)
    assert picture_of(50, 1) != picture_of(50, 2)
    assert decoded(picture_of(50, 1))[9] == [230] * 10 + [20] * 10
