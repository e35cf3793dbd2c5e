"""A tiny baseline JPEG encoder for the only pictures the simulated camera needs: grey blocks of 8 by 8 pixels."""

import struct
from collections.abc import Iterator, Sequence

_CATEGORIES = 12
_DC_CODE_BITS = 4
"""Every DC size category has a code of four bits, which is its own number; AC has one code, `0`, end of block."""


def grey_blocks(rows: Sequence[Sequence[int]]) -> bytes:
    """A greyscale JPEG (ITU T.81, baseline); one value 0–255 for each block of 8 by 8 pixels."""
    height, width = len(rows) * 8, len(rows[0]) * 8
    quantisation = b"\x00" + b"\x08" * 64
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    dc_counts = bytes(_CATEGORIES if bits == _DC_CODE_BITS else 0 for bits in range(1, 17))
    dc_table = b"\x00" + dc_counts + bytes(range(_CATEGORIES))
    ac_table = b"\x10" + bytes(1 if bits == 1 else 0 for bits in range(1, 17)) + b"\x00"
    return (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
        + _segment(0xDB, quantisation)
        + _segment(0xC0, frame)
        + _segment(0xC4, dc_table)
        + _segment(0xC4, ac_table)
        + _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
        + _scan(rows)
        + b"\xff\xd9"
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _scan(rows: Sequence[Sequence[int]]) -> bytes:
    bits = "".join(_block_bits(rows))
    bits += "1" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8)
    return packed.replace(b"\xff", b"\xff\x00")


def _block_bits(rows: Sequence[Sequence[int]]) -> Iterator[str]:
    """With a quantiser of 8 the DC coefficient of a flat block is its level minus 128."""
    previous = 0
    for row in rows:
        for value in row:
            level = value - 128
            difference, previous = level - previous, level
            size = abs(difference).bit_length()
            yield f"{size:0{_DC_CODE_BITS}b}"
            if size:
                low_bits = difference if difference > 0 else difference + (1 << size) - 1
                yield f"{low_bits:0{size}b}"
            yield "0"
