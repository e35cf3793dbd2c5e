"""A tiny H.264 encoder for the only video that the simulated cameras need: grey blocks of 16 by 16 pixels.

Every picture stands by itself. Its macroblocks are raw samples (I_PCM), so that there is nothing to transform.
"""

import re
from collections.abc import Sequence

_PROFILE = b"\x42\xc0\x1e"
"""Constrained Baseline, level 3."""
_SPS, _PPS, _IDR = 0x67, 0x68, 0x65
_I_PCM = 25
_NEXT_MACROBLOCK = b"\x0d\x00"
"""The type I_PCM again, and zeros up to the next byte."""
_GREY = b"\x80" * 128
"""Both chroma blocks of a macroblock."""


def parameter_sets(columns: int, rows: int) -> list[bytes]:
    """The two units (SPS, PPS) with which pictures of so many blocks are read."""
    sequence = "".join([_ue(0), _ue(0), _ue(2), _ue(1), "0", _ue(columns - 1), _ue(rows - 1), "1", "1", "0", "0"])
    picture = "".join(
        [_ue(0), _ue(0), "0", "0", _ue(0), _ue(0), _ue(0), "0", "00", _ue(0), _ue(0), _ue(0), "1", "0", "0"]
    )
    return [_unit(_SPS, _PROFILE + _bytes(sequence + "1")), _unit(_PPS, _bytes(picture + "1"))]


def grey_blocks(rows: Sequence[Sequence[int]], number: int) -> bytes:
    """The unit of one picture, the `number`th; one value 16–235 for each block of 16 by 16 pixels."""
    head = "".join([_ue(0), _ue(7), _ue(0), "0000", _ue(number % 2), "0", "0", _ue(0), _ue(1), _ue(_I_PCM)])
    blocks = (bytes([value]) * 256 + _GREY for row in rows for value in row)
    return _unit(_IDR, _bytes(head) + _NEXT_MACROBLOCK.join(blocks) + b"\x80")


def _unit(kind: int, content: bytes) -> bytes:
    """The content behind its head, with bytes set in where it would look like a start code."""
    return bytes([kind]) + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", content)


def _ue(value: int) -> str:
    """An unsigned number in Exp-Golomb code; signed ones are needed only for 0, whose code is the same."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _bytes(bits: str) -> bytes:
    padded = bits + "0" * (-len(bits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8)
