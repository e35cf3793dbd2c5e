"""A camera's pictures: JPEG (ITU T.81) alone, judged by their structure; a name and a magic number prove nothing."""

import base64
import binascii
import re
import struct
from dataclasses import dataclass

from printpipe.domain.errors import InvalidInput, TooLarge

MAX_BYTES = 10 * 1024 * 1024
MAX_BASE64 = MAX_BYTES * 4 // 3 + 4096
"""Characters of the longest text that can hold a picture, with the head of a data URI and line breaks to spare."""

MEDIA_TYPE = "image/jpeg"
_MAX_SIDE = 10_000
_MAX_PIXELS = 50_000_000
_MAX_SEGMENTS = 2000
_DATA_URI = re.compile(r"data:([^;,]{0,100})((?:;[^;,]{0,100}){0,8}),")
_LINE_BREAKS = str.maketrans("", "", "\r\n")

_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive: what browsers and cameras know."""

_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
"""A marker, after any number of fill bytes."""

_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The next marker within a scan's data: there, 0xFF is followed by 0x00 or a restart marker."""


@dataclass(frozen=True)
class Picture:
    """A checked JPEG; width and height in pixels."""

    content: bytes
    width: int
    height: int


def decode(text: str, field: str) -> Picture:
    """A picture from base64 or a data URI. Raises `InvalidInput` or `TooLarge` that names the field."""
    found = _DATA_URI.match(text) if text.startswith("data:") else None
    if text.startswith("data:"):
        kind, options = (found[1].strip().lower(), found[2].lower()) if found else ("", "")
        if kind not in (MEDIA_TYPE, "image/jpg") or not options.endswith(";base64"):
            raise InvalidInput(f"{field}: must be a JPEG, as base64 or as data:{MEDIA_TYPE};base64,…", field=field)
    encoded = text[found.end() :] if found else text
    if len(encoded) > MAX_BASE64:
        raise TooLarge(f"{field}: a picture may have at most {MAX_BYTES} bytes", field=field)
    try:
        content = base64.b64decode(encoded.translate(_LINE_BREAKS), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{field}: is not base64", field=field) from None
    return check(content, field)


def check(content: bytes, field: str) -> Picture:
    """The bytes as a picture. Raises `InvalidInput` or `TooLarge` that names the field."""
    if not content:
        raise InvalidInput(f"{field}: the picture is empty", field=field)
    if len(content) > MAX_BYTES:
        raise TooLarge(f"{field}: a picture may have at most {MAX_BYTES} bytes", field=field)
    try:
        width, height = _size(content)
    except _Broken as broken:
        raise InvalidInput(f"{field}: is not a JPEG that can be shown: {broken}", field=field) from None
    return Picture(content, width, height)


class _Broken(Exception):
    """Why the bytes are no JPEG."""


def _size(content: bytes) -> tuple[int, int]:
    """Walks all segments from start to end; width and height."""
    if not content.startswith(b"\xff\xd8"):
        raise _Broken("it does not begin as one")
    at, size, scanned = 2, None, False
    for _ in range(_MAX_SEGMENTS):
        marker, at = _marker(content, at)
        if marker == _END:
            if size is None or not scanned:
                raise _Broken("it shows nothing")
            if content[at:].strip(b"\0"):
                raise _Broken("something follows its end")
            return size
        segment = _segment(content, at)
        at += 2 + len(segment)
        if marker in _FRAMES:
            if size is not None:
                raise _Broken("it has two frames")
            size = _frame(segment)
        elif marker in _OTHER_FRAMES:
            raise _Broken("its coding is not a common one")
        elif marker == _SCAN:
            if size is None:
                raise _Broken("a scan comes before its frame")
            at, scanned = _after_scan(content, at), True
    raise _Broken("it has too many segments")


def _marker(content: bytes, at: int) -> tuple[int, int]:
    """The marker there, past any fill bytes, and where what follows it begins."""
    found = _MARKER.match(content, at)
    if found is None:
        raise _Broken("it is cut off" if at >= len(content) else "its segments do not join")
    marker = found[1][0]
    if marker in _STANDALONE:
        raise _Broken("its segments do not join")
    return marker, found.end()


def _segment(content: bytes, at: int) -> bytes:
    length = int.from_bytes(content[at : at + 2])
    if length < 2 or at + length > len(content):
        raise _Broken("it is cut off")
    return content[at + 2 : at + length]


def _frame(segment: bytes) -> tuple[int, int]:
    if len(segment) < 6:
        raise _Broken("its frame is cut off")
    precision, height, width, components = struct.unpack(">BHHB", segment[:6])
    if precision not in (8, 12) or components not in (1, 3, 4) or len(segment) != 6 + 3 * components:
        raise _Broken("its frame makes no sense")
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE and width * height <= _MAX_PIXELS):
        raise _Broken(f"{width} by {height} pixels")
    return width, height


def _after_scan(content: bytes, at: int) -> int:
    """Where the segment after a scan's data begins."""
    found = _AFTER_SCAN.search(content, at)
    if found is None:
        raise _Broken("it is cut off")
    if found.start() == at:
        raise _Broken("a scan is empty")
    return found.start()
