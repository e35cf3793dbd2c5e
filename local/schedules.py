"""What Cloud Scheduler and Pub/Sub do for the functions that have a schedule: a tick when it is due, or at once."""

import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import urllib3

from local.deliveries import LONGEST_CALL, Deliveries, Event
from local.json_log import emit
from local.messages import posted_event
from printpipe.runtime import catalog
from printpipe.runtime.cron import Cron

MINUTE = timedelta(minutes=1)


def tick_event(function: str, project: str, at: datetime) -> Event:
    """The event of a tick: a message without content in the function's own topic, delivered by Eventarc."""
    return posted_event(function, project, function, b"{}", {}, uuid.uuid4().hex, at)


def fire(gateway_url: str, function: str) -> None:
    """Gives a scheduled function a tick now, and returns once it has answered. Raises RuntimeError where it failed."""
    post(gateway_url, tick_event(function, "local", datetime.now(UTC)))


def post(gateway_url: str, event: Event) -> None:
    """Delivers an event to its function once, and returns when that has answered. Raises RuntimeError likewise."""
    timeout = urllib3.Timeout(connect=2, read=LONGEST_CALL)
    answer = urllib3.request(
        "POST",
        f"{gateway_url}/{event.function}",
        body=event.body,
        headers=event.headers(),
        timeout=timeout,
        retries=False,
    )
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"{event.function} answered {answer.status}: {answer.data[:2000].decode(errors='replace')}")


class Ticker:
    """Delivers the ticks of the rows that have a schedule, by the clock; those of others are passed over.

    A tick that finds the former one of its function not done with is skipped.
    """

    def __init__(
        self,
        rows: Iterable[catalog.Row],
        deliveries: Deliveries,
        project: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._schedules = [
            (row.name, Cron.parse(row.trigger.schedule), _zone(row.trigger.time_zone))
            for row in rows
            if row.trigger and row.trigger.schedule
        ]
        self._deliveries, self._project, self._clock = deliveries, project, clock
        self._closed = threading.Event()

    def start(self) -> None:
        """Begins with the next minute, in a thread of its own."""
        threading.Thread(target=self._run, name="ticker", daemon=True).start()

    def close(self) -> None:
        """Ticks no more."""
        self._closed.set()

    def tick(self, moment: datetime) -> None:
        """Delivers what is due in the minute of that moment; returns at once."""
        for function, schedule, zone in self._schedules:
            if not schedule.includes(moment.astimezone(zone)):
                continue
            if self._deliveries.busy(function):
                emit("tick_skipped", function=function)
            else:
                self._deliveries.offer(tick_event(function, self._project, moment))

    def _run(self) -> None:
        due = _whole_minute(self._clock()) + MINUTE
        while not self._closed.wait(max(0.0, (due - self._clock()).total_seconds())):
            self.tick(due)
            due = max(due, _whole_minute(self._clock())) + MINUTE  # what passed while we slept is not made up for


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)
