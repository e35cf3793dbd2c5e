"""Pictures out of print files: only what is a whole PNG of a reasonable size is shown to anybody.

Chunks and limits as in the PNG specification, third edition (W3C).
"""

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK_BYTES = 12
_HEADER = struct.Struct(">2L5B")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_LONGEST = {b"PLTE": 768, b"tRNS": 256}
"""Bytes of the parts that a picture has once."""

_INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7's passes: the first column and row, and the steps along either."""


def cleaned(data: bytes, longest_side: int) -> bytes | None:
    """The picture alone, without whatever else was in the data (texts, profiles, animations, what follows its end).

    None where it is not a whole PNG, has a side of more pixels, or its pixels do not unpack to what its header says.
    """
    if not data.startswith(_SIGNATURE):
        return None
    kept = [(kind, content) for kind, content in _chunks(data) if kind in _KEPT or kind[:1].isupper()]
    kinds = [kind for kind, _ in kept]
    if kinds[:1] != [b"IHDR"] or kinds[-1] != b"IEND" or not _KEPT.issuperset(kinds):
        return None
    if any(kinds.count(kind) > 1 for kind in (b"IHDR", *_LONGEST)):
        return None
    if any(len(content) > _LONGEST.get(kind, len(content)) for kind, content in kept):
        return None
    expected = _unpacked_bytes(kept[0][1], longest_side)
    pixels = b"".join(content for kind, content in kept if kind == b"IDAT")
    packed = _packed(pixels, expected) if expected is not None else None
    if packed is None:
        return None
    before = [(kind, content) for kind, content in kept if kind not in (b"IDAT", b"IEND")]
    parts = [*before, (b"IDAT", packed), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Those up to the picture's end, or up to the first that is damaged."""
    position = len(_SIGNATURE)
    while position + _CHUNK_BYTES <= len(data):
        length, kind = struct.unpack_from(">L4s", data, position)
        end = position + _CHUNK_BYTES + length
        if end > len(data):
            return
        content = data[position + 8 : end - 4]
        if struct.unpack_from(">L", data, end - 4)[0] != zlib.crc32(kind + content):
            return
        yield kind, content
        if kind == b"IEND":
            return
        position = end


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def _unpacked_bytes(header: bytes, longest_side: int) -> int | None:
    """How many bytes the pixels have; None for a header that makes no sense or is of too large a picture."""
    if len(header) != _HEADER.size:
        return None
    width, height, depth, color, compression, filtering, interlaced = _HEADER.unpack(header)
    if not (0 < width <= longest_side and 0 < height <= longest_side) or (compression, filtering) != (0, 0):
        return None
    if depth not in _DEPTHS.get(color, ()) or interlaced not in (0, 1):
        return None
    total = 0
    for left, top, right, down in _INTERLACED if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * depth * _CHANNELS[color] + 7) // 8)
    return total


def _packed(pixels: bytes, size: int) -> bytes | None:
    """The pixels as they are packed, without what follows them; None where they do not unpack to that size."""
    inflater = zlib.decompressobj()
    try:
        unpacked = inflater.decompress(pixels, size + 1)
    except zlib.error:
        return None
    if len(unpacked) != size or not inflater.eof:
        return None
    return pixels[: len(pixels) - len(inflater.unused_data)]
