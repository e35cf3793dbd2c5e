"""Schedules in unix-cron, as Cloud Scheduler reads them: minute, hour, day of the month, month, day of the week.

https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[1-9]\d?))?")


@dataclass(frozen=True)
class Cron:
    """When a schedule is due, in the time of its own zone; weekdays count from Sunday, 0.

    Where both the day of the month and the weekday are restricted, either will do.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads five fields of `*`, numbers, names, ranges, steps and lists. Raises `ValueError`."""
        fields = text.split()
        if len(fields) != 5:
            raise ValueError(f"a schedule has five fields: {text!r}")
        minute, hour, day, month, weekday = fields
        return cls(
            minutes=_values(minute, 0, 59),
            hours=_values(hour, 0, 23),
            days=_values(day, 1, 31),
            months=_values(month, 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
            weekdays=frozenset(
                value % 7 for value in _values(weekday, 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)})
            ),
            either_day=not day.startswith("*") and not weekday.startswith("*"),
        )

    def includes(self, moment: datetime) -> bool:
        """Whether it is due in the minute of that moment, which is in the schedule's zone."""
        if moment.minute not in self.minutes or moment.hour not in self.hours or moment.month not in self.months:
            return False
        days = (moment.day in self.days, moment.isoweekday() % 7 in self.weekdays)
        return any(days) if self.either_day else all(days)


def _values(field: str, lowest: int, highest: int, names: Mapping[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        matched = _PART.fullmatch(part)
        if not matched or (matched["step"] and matched["first"] and not matched["last"]):
            raise ValueError(f"not a part of a schedule: {part!r}")
        first = _number(matched["first"], names or {}) if matched["first"] else lowest
        last = _number(matched["last"], names or {}) if matched["last"] else first if matched["first"] else highest
        if not lowest <= first <= last <= highest:
            raise ValueError(f"a schedule's value is out of range: {part!r}")
        found.update(range(first, last + 1, int(matched["step"] or 1)))
    return frozenset(found)


def _number(text: str, names: Mapping[str, int]) -> int:
    number = names.get(text.upper())
    if number is None:
        if not re.fullmatch(r"[0-9]{1,2}", text):
            raise ValueError(f"not a value of a schedule: {text!r}")
        number = int(text)
    return number
