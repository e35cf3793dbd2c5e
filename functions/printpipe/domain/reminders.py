"""When something that waits is brought up again: by its age alone, so that nothing need be noted, and less and less."""

from collections.abc import Iterator
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
EARLY = timedelta(seconds=15)
"""By how much a run's clock, or its schedule, may be ahead of the minute that it is for."""


def windows(now: datetime, minutes: tuple[int, ...]) -> Iterator[tuple[datetime, datetime]]:
    """For a run every minute: between which times falls what has just come to one of these ages, the youngest first.

    A run that begins up to `EARLY` before its minute, or less than the rest of a minute after, leaves nothing out.
    """
    for age in minutes:
        until = minute_of(now) - age * MINUTE
        yield until - MINUTE, until


def minute_of(now: datetime) -> datetime:
    """The full minute that a run is for which begins now."""
    return (now + EARLY).replace(second=0, microsecond=0)
