"""What Cloud Scheduler and Pub/Sub do for the functions that have a schedule: a tick when it is due, or at once."""

import base64
import json
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import urllib3

from local.deliveries import LONGEST_CALL, Deliveries, Event
from local.json_log import emit
from printpipe.runtime import catalog
from printpipe.runtime.cron import Cron

EVENT_TYPE = "google.cloud.pubsub.topic.v1.messagePublished"
MINUTE = timedelta(minutes=1)


def tick_event(function: str, project: str, at: datetime) -> Event:
    """The event of a tick: a message without content in the function's own topic, delivered by Eventarc."""
    message_id, moment = uuid.uuid4().hex, at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    body = {
        "message": {
            "data": base64.b64encode(b"{}").decode("ascii"),
            "messageId": message_id,
            "publishTime": moment,
        },
        "subscription": f"projects/{project}/subscriptions/{function}",
    }
    return Event(
        function=function,
        id=message_id,
        type=EVENT_TYPE,
        source=f"//pubsub.googleapis.com/projects/{project}/topics/{function}",
        time=moment,
        document=None,
        content_type="application/json",
        body=json.dumps(body).encode(),
    )


def fire(gateway_url: str, function: str) -> None:
    """Gives a scheduled function a tick now, and returns once it has answered. Raises RuntimeError where it failed."""
    event = tick_event(function, "local", datetime.now(UTC))
    timeout = urllib3.Timeout(connect=2, read=LONGEST_CALL)
    answer = urllib3.request(
        "POST", f"{gateway_url}/{function}", body=event.body, headers=event.headers(), timeout=timeout, retries=False
    )
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"{function} answered {answer.status}: {answer.data[:2000].decode(errors='replace')}")


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
