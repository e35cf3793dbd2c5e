"""Spans of local days: a day, week, month or year, or from one date to another."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from printpipe.domain.errors import InvalidInput

Named = Literal["day", "week", "month", "year"]
"""A span of the calendar; a week begins on Monday."""

MOST_DAYS = 366
_YEARS = range(2000, 2101)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """The days from `first` to `last`, both included, as they are in a time zone."""

    name: Named | Literal["custom"]
    first: date
    last: date
    zone: tzinfo

    @property
    def start(self) -> datetime:
        """When its first day begins, in UTC."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The last second of its last day, in UTC."""
        return _midnight(self.last + _DAY, self.zone) - timedelta(seconds=1)

    def days(self, now: datetime) -> list[date]:
        """Its days as far as they have begun."""
        last = min(self.last, now.astimezone(self.zone).date())
        return [self.first + number * _DAY for number in range((last - self.first).days + 1)]

    def elapsed(self, now: datetime) -> float:
        """How many seconds of it are over."""
        until = min(now, _midnight(self.last + _DAY, self.zone))
        return max(0.0, (until - self.start).total_seconds())


def current(name: Named, now: datetime, zone: tzinfo) -> Period:
    """The day, week, month or year that it is."""
    today = now.astimezone(zone).date()
    match name:
        case "day":
            return Period(name, today, today, zone)
        case "week":
            monday = today - today.weekday() * _DAY
            return Period(name, monday, monday + 6 * _DAY, zone)
        case "month":
            first = today.replace(day=1)
            return Period(name, first, (first + 31 * _DAY).replace(day=1) - _DAY, zone)
        case "year":
            return Period(name, today.replace(month=1, day=1), today.replace(month=12, day=31), zone)


def between(first: date, last: date, zone: tzinfo) -> Period:
    """From one date to another. Raises `InvalidInput` where that is backwards, or more than `MOST_DAYS` days."""
    if last < first:
        raise InvalidInput("The end lies before the start", field="end_date")
    if (last - first).days >= MOST_DAYS:
        raise InvalidInput(f"At most {MOST_DAYS} days can be asked for", field="end_date")
    return Period("custom", first, last, zone)


def local_date(given: date | datetime, zone: tzinfo, field: str) -> date:
    """The date, or that of a moment as it is in the zone. Raises `InvalidInput`, naming the field, for far years."""
    if given.year not in _YEARS:
        raise InvalidInput(f"The year must be from {_YEARS[0]} to {_YEARS[-1]}", field=field)
    return given.astimezone(zone).date() if isinstance(given, datetime) else given


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When the day begins; where the clocks leave midnight out, the moment at which they do."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
