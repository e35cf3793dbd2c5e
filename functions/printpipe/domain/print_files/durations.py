"""The ways in which slicers write a duration."""

import re

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PARTS = re.compile(
    r"(?:([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])[\s,]*)+",
    re.IGNORECASE,
)
_PART = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*([dhms])", re.IGNORECASE)
_CLOCK = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,5}):([0-9]{1,2})(?:\.[0-9]{1,6})?")
_SECONDS = re.compile(r"([0-9]{1,9})(?:\.[0-9]{1,9})?")


def parse_duration(text: str) -> int | None:
    """Whole seconds of `1d 2h 3m 4s`, `2 hours 5 minutes`, `01:02:03`, `12:34` (minutes) or `1234.5`; else None."""
    text = text.strip()[:100]
    if _PARTS.fullmatch(text):
        return int(sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text)))
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours * 3_600 + minutes * 60 + seconds
    if plain := _SECONDS.fullmatch(text):
        return int(plain.group(1))
    return None
