"""Pictures, and what only looks like one."""

import base64
import struct
from collections.abc import Callable

from local.simulator.jpeg import grey_blocks
from printpipe.domain import pictures

GOOD = grey_blocks([[0, 64, 128], [128, 255, 7]])
SOF = GOOD.index(b"\xff\xc0")
SOS = GOOD.index(b"\xff\xda")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def sized(width: int, height: int) -> bytes:
    """The good picture, whose frame says another size."""
    return GOOD[: SOF + 5] + struct.pack(">HH", height, width) + GOOD[SOF + 9 :]


def padded(size: int) -> bytes:
    """The good picture, made larger by comments."""
    rest, parts = size - len(GOOD), []
    while rest:
        length = min(rest, 65_000)
        length -= 4 if 0 < rest - length < 4 else 0
        parts.append(b"\xff\xfe" + (length - 2).to_bytes(2) + b"x" * (length - 4))
        rest -= length
    return GOOD[:2] + b"".join(parts) + GOOD[2:]


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a text": lambda: b"this is a text, not a picture",
    "a PNG": lambda: PNG,
    "a GIF": lambda: b"GIF89a" + bytes(40),
    "a page": lambda: b"<html><script>alert(1)</script></html>",
    "magic alone": lambda: b"\xff\xd8\xff",
    "start and end alone": lambda: b"\xff\xd8\xff\xd9",
    "a start with zeros": lambda: b"\xff\xd8\xff\xe0" + bytes(1000),
    "cut off in the head": lambda: GOOD[: SOF + 4],
    "cut off in the scan": lambda: GOOD[: SOS + 12],
    "without its end": lambda: GOOD[:-2],
    "without a frame": lambda: GOOD[:SOF] + GOOD[SOF + 13 :],
    "without a scan": lambda: GOOD[:SOS] + b"\xff\xd9",
    "with an empty scan": lambda: GOOD[: SOS + 10] + b"\xff\xd9",
    "with two frames": lambda: GOOD[:SOF] + GOOD[SOF : SOF + 13] + GOOD[SOF:],
    "of no width": lambda: sized(0, 16),
    "of no height": lambda: sized(16, 0),
    "of 65,535 by 65,535 pixels": lambda: sized(65_535, 65_535),
    "of 10,000 by 10,000 pixels": lambda: sized(10_000, 10_000),
    "of two components": lambda: GOOD[: SOF + 9] + b"\x02" + GOOD[SOF + 10 :],
    "losslessly coded": lambda: GOOD[:SOF] + b"\xff\xc3" + GOOD[SOF + 2 :],
    "with a page behind it": lambda: GOOD + b"<script>alert(1)</script>",
    "with an archive behind it": lambda: GOOD + b"PK\x03\x04" + bytes(30),
    "with a gap between segments": lambda: GOOD[:2] + b"\x00\x00" + GOOD[2:],
    "with a segment of no length": lambda: GOOD[:2] + b"\xff\xe1\x00\x00" + GOOD[2:],
    "with a segment longer than itself": lambda: GOOD[:2] + b"\xff\xe1\xff\xff" + GOOD[2:],
    "with a second start": lambda: GOOD[:2] + GOOD,
    "of a hundred thousand segments": lambda: GOOD[:2] + b"\xff\xfe\x00\x02" * 100_000 + GOOD[2:],
    "of 10 MiB and a byte": lambda: padded(pictures.MAX_BYTES + 1),
}
"""Bytes that are no picture, by what is wrong with them."""
