"""Of the pictures in print files only whole ones of a reasonable size are shown, and nothing that hides in them."""

import struct
import zlib

import pytest

from local.sample_print import thumbnail
from printpipe.domain.print_files.png import cleaned
from tests.unit.print_files import samples

SIDE = 2_048
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def header(width: int = 8, height: int = 8, depth: int = 8, color: int = 0, *rest: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">2L5B", width, height, depth, color, *(rest or (0, 0, 0))))


def pixels(size: int) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(size)))


END = chunk(b"IEND", b"")
TEXTS = chunk(b"tEXt", b"k\0<script>") + chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(1 << 20)))


@pytest.mark.parametrize("picture", [thumbnail(64), samples.png(16, 16), samples.png(SIDE, 1)])
def test_a_good_picture_stays_as_it_is(picture: bytes) -> None:
    assert cleaned(picture, SIDE) == picture


def test_what_is_no_picture_is_left_out_of_it() -> None:
    plain = SIGNATURE + header() + pixels(72) + END
    assert cleaned(SIGNATURE + header() + TEXTS + pixels(72) + END + b"PK\x03\x04 and more", SIDE) == plain
    animated = chunk(b"acTL", bytes(8)) + pixels(72) + chunk(b"fdAT", bytes(900))
    assert cleaned(SIGNATURE + header() + animated + END, SIDE) == plain


def test_nothing_hides_in_the_parts_that_are_kept() -> None:
    plain = SIGNATURE + header() + pixels(72) + END
    hidden = b"<script>alert(1)</script>"
    behind_the_pixels = chunk(b"IDAT", zlib.compress(bytes(72)) + hidden) + chunk(b"IDAT", hidden)
    assert cleaned(SIGNATURE + header() + behind_the_pixels + END, SIDE) == plain
    assert cleaned(SIGNATURE + header() + pixels(72) + chunk(b"IEND", hidden), SIDE) == plain


@pytest.mark.parametrize(
    ("color", "depth", "interlaced", "size"), [(0, 1, 0, 16), (2, 16, 0, 392), (6, 8, 1, 271), (3, 4, 1, 48)]
)
def test_each_kind_of_pixels_has_its_size(color: int, depth: int, interlaced: int, size: int) -> None:
    palette = chunk(b"PLTE", bytes(48)) + chunk(b"tRNS", bytes(16)) if color == 3 else b""
    start = SIGNATURE + header(8, 8, depth, color, 0, 0, interlaced) + palette
    assert cleaned(start + pixels(size) + END, SIDE) == start + pixels(size) + END
    assert cleaned(start + pixels(size + 1) + END, SIDE) is None
    assert cleaned(start + pixels(size - 1) + END, SIDE) is None


@pytest.mark.parametrize(
    "case",
    {
        "empty": b"",
        "another type": b"GIF89a" + bytes(100),
        "a script": b"<svg onload='x'/>",
        "a signature alone": SIGNATURE,
        "no pixels": SIGNATURE + header() + END,
        "no end": SIGNATURE + header() + pixels(72),
        "cut": samples.png()[:-20],
        "too wide": SIGNATURE + header(SIDE + 1, 1) + pixels(SIDE + 2) + END,
        "huge": SIGNATURE + header(2**31 - 1, 2**31 - 1) + pixels(72) + END,
        "of no size": SIGNATURE + header(0, 8) + pixels(8) + END,
        "a bomb": SIGNATURE + header() + pixels(50_000_000) + END,
        "not packed": SIGNATURE + header() + chunk(b"IDAT", bytes(72)) + END,
        "an unknown depth": SIGNATURE + header(8, 8, 3) + pixels(72) + END,
        "an unknown colour": SIGNATURE + header(8, 8, 8, 5) + pixels(72) + END,
        "an unknown way to pack": SIGNATURE + header(8, 8, 8, 0, 1, 0, 0) + pixels(72) + END,
        "two headers": SIGNATURE + header() + header() + pixels(72) + END,
        "a late header": SIGNATURE + pixels(72) + header() + END,
        "an unknown part that matters": SIGNATURE + header() + chunk(b"EVIL", b"x") + pixels(72) + END,
        "a palette that is none": SIGNATURE + header() + chunk(b"PLTE", bytes(771)) + pixels(72) + END,
        "two palettes": SIGNATURE + header() + chunk(b"PLTE", bytes(3)) * 2 + pixels(72) + END,
        "too much transparency": SIGNATURE + header() + chunk(b"tRNS", bytes(257)) + pixels(72) + END,
        "a false sum": SIGNATURE + header()[:-1] + b"\0" + pixels(72) + END,
        "a false length": SIGNATURE + header() + struct.pack(">L", 2**32 - 1) + b"IDAT" + END,
    }.items(),
    ids=lambda each: each[0],
)
def test_anything_else_is_none(case: tuple[str, bytes]) -> None:
    assert cleaned(case[1], SIDE) is None
