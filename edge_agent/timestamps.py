"""Time on the wire: RFC 3339, UTC, milliseconds; and where the agent takes the time from."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks: `now` for what is reported, `monotonic` (seconds) for what is waited for."""

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic


def render(moment: datetime) -> str:
    """`moment` as the wire has it, for example 2026-01-31T12:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that `text` (ISO 8601) names, in UTC; without an offset it is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
