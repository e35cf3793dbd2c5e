"""Reads the lists that file servers give: unix `LIST` lines, as printers send them, and `MLSD` facts."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
AHEAD = timedelta(days=1)
"""How far a file's time may lie in the future before a time without a year is taken as last year's."""

_LINE = re.compile(
    r"(?P<kind>[-d])[-rwxsStT]{9}\S*\s+\d+\s+\S+\s+(?:\S+\s+)?(?P<size>\d+)\s+"
    r"(?P<month>[A-Za-z]{3})\s+(?P<day>\d{1,2})\s+(?:(?P<year>\d{4})|(?P<hour>\d{1,2}):(?P<minute>\d{2}))"
    r" (?P<name>.+)"
)


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a folder; `modified_at` is None where it cannot be told."""

    name: str
    is_folder: bool
    size: int
    modified_at: datetime | None


def list_item(line: str, now: datetime) -> Item | None:
    """The entry of a `LIST` line; None for a link, and for what is no entry. `now` gives the year that is left out."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    return Item(match["name"], match["kind"] == "d", int(match["size"]), _list_time(match, now))


def fact_item(line: str) -> Item | None:
    """The entry of an `MLSD` line; None for the folder itself, its parent, and what is no entry."""
    facts_text, space, name = line.partition(" ")
    facts = dict(each.lower().split("=", 1) for each in facts_text.split(";") if "=" in each)
    if not space or not name or facts.get("type") not in ("file", "dir"):
        return None
    size = facts.get("size", "")
    if facts["type"] == "file" and not size.isdecimal():
        return None
    return Item(name, facts["type"] == "dir", int(size) if size.isdecimal() else 0, moment(facts.get("modify", "")))


def moment(text: str) -> datetime | None:
    """The time of `MDTM` and of the fact `modify`: YYYYMMDDHHMMSS, perhaps with a fraction, UTC."""
    try:
        return datetime.strptime(text.strip()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _list_time(match: re.Match[str], now: datetime) -> datetime | None:
    try:
        month, day = MONTHS.index(match["month"].lower()) + 1, int(match["day"])
        if match["year"]:
            return datetime(int(match["year"]), month, day, tzinfo=UTC)
        told = datetime(now.year, month, day, int(match["hour"]), int(match["minute"]), tzinfo=UTC)
        return told if told <= now + AHEAD else told.replace(year=now.year - 1)
    except ValueError:
        return None
