"""Values as print files write them, made safe: short printable text, finite numbers, colours."""

import math
import re

_TEXT = 100
_LARGEST = 1e9
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_SIGNED = re.compile(rf"-?{_NUMBER.pattern}")
_COLOR = re.compile(r"#?([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?")
_PNG = b"\x89PNG\r\n\x1a\n"


def text(value: str | None) -> str | None:
    """The printable part of a value, at most 100 letters; None where nothing is left."""
    if not value:
        return None
    kept = "".join(letter for letter in value[: 4 * _TEXT] if letter.isprintable()).strip().strip('"')
    return kept[:_TEXT].strip() or None


def number(value: str | None) -> float | None:
    """A plain decimal number of at least 0; None for anything else."""
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    parsed = float(value)
    return round(parsed, 4) if math.isfinite(parsed) and parsed <= _LARGEST else None


def positive(value: str | None) -> float | None:
    """A plain decimal number above 0; None for anything else."""
    return number(value) or None


def whole(value: str | None) -> int | None:
    """A number of at least 0 without its fraction; None for anything else."""
    parsed = number(value)
    return None if parsed is None else int(parsed)


def span(first: str | None, last: str | None) -> float | None:
    """How far it is from the first to the last of two numbers with or without a sign; None unless that is above 0."""
    if first is None or last is None or not (_SIGNED.fullmatch(first.strip()) and _SIGNED.fullmatch(last.strip())):
        return None
    return extent(float(first), float(last))


def extent(first: float, last: float) -> float | None:
    """The same of numbers."""
    length = last - first
    return round(length, 4) if 0 < length <= _LARGEST else None


def color(value: str | None) -> str | None:
    """`#RRGGBB` in upper case, also from `RRGGBB` and from a colour with transparency; else None."""
    found = _COLOR.fullmatch(value.strip().strip('"')) if value else None
    return f"#{found.group(1).upper()}" if found else None


def png(data: bytes) -> bytes | None:
    """The data where it begins as a PNG does (signature, header chunk) and holds some; else None."""
    return data if data.startswith(_PNG) and data[12:16] == b"IHDR" and len(data) > 33 else None
