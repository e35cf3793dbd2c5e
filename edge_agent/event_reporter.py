"""Reports events from programs beside the agent: in the background, tried again where that helps, never in the way.

What the agent itself reports waits on disk; what is reported here lives as long as the program, and a few seconds more.
It logs through Python's own logging, which the surrounding program may direct.
"""

import atexit
import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from edge_agent import backoff
from edge_agent.cloud import Cloud, CloudRefused, CloudUnavailable
from edge_agent.complaints import NEEDED, not_configured, not_sent
from edge_agent.config import AgentConfig, Timing
from edge_agent.timestamps import render, utc_now

T = TypeVar("T")
EventStatus = Literal["success", "failed", "warning", "info"]

MOST_WAITING = 1000
ATTEMPTS = 6
TIMING = Timing(http_timeout=5.0, retry_ceiling=10.0)
LAST_SECONDS = 6.0
"""How long the end of the program waits for what is still to be sent: longer than a call takes that gets no answer."""
HOPELESS = frozenset({401, 403})
"""The key will not become right while the program runs."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Event:
    body: Mapping[str, Any]
    picture: bytes | None


class EventReporter:
    """Reports as one recipient. Thread-safe; nothing here blocks or raises because of the network.

    Without address, key or recipient it says so once, and reports nothing.
    """

    def __init__(
        self, base_url: str | None, api_key: str | None, recipient_id: str | None, *, timing: Timing = TIMING
    ) -> None:
        self._timing = timing
        self._cloud = _cloud(dict(zip(NEEDED, (base_url, api_key, recipient_id), strict=True)), timing)
        self._waiting: deque[_Event] = deque()
        self._busy = self._closing = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether events are reported at all."""
        return self._cloud is not None

    def report_job_started(
        self, printer_serial: str, printer_ip: str, print_job_id: str, file_name: str | None = None
    ) -> str | None:
        """The printer has begun to print the job; as `report_event`."""
        return self.report_event(
            "job_started", printer_serial, printer_ip, "info", print_job_id=print_job_id, status_data=_file(file_name)
        )

    def report_job_completed(
        self, printer_serial: str, printer_ip: str, print_job_id: str, file_name: str | None = None
    ) -> str | None:
        """The job has been printed; as `report_event`."""
        data = _file(file_name)
        return self.report_event(
            "job_completed", printer_serial, printer_ip, "success", print_job_id=print_job_id, status_data=data
        )

    def report_job_failed(
        self,
        printer_serial: str,
        printer_ip: str,
        print_job_id: str,
        file_name: str | None = None,
        error_message: str | None = None,
    ) -> str | None:
        """The job has failed; as `report_event`."""
        return self.report_event(
            "job_failed",
            printer_serial,
            printer_ip,
            "failed",
            print_job_id=print_job_id,
            status_data=_file(file_name),
            error_data={"errorMessage": error_message} if error_message else None,
            message=error_message,
        )

    def report_hms_error(
        self,
        printer_serial: str,
        printer_ip: str,
        hms_code: str,
        error_data: Mapping[str, Any] | None = None,
        image_data: bytes | None = None,
        print_job_id: str | None = None,
    ) -> str | None:
        """The printer shows this HMS code; as `report_event`."""
        data = {"hmsCode": hms_code, **(error_data or {})}
        return self.report_event(
            "hms_error",
            printer_serial,
            printer_ip,
            "warning",
            print_job_id=print_job_id,
            error_data=data,
            message=str(data.get("description") or hms_code),
            image_data=image_data,
        )

    def report_event(
        self,
        event_type: str,
        printer_serial: str,
        printer_ip: str,
        event_status: EventStatus = "info",
        *,
        print_job_id: str | None = None,
        error_data: Mapping[str, Any] | None = None,
        status_data: Mapping[str, Any] | None = None,
        message: str | None = None,
        image_data: bytes | None = None,
    ) -> str | None:
        """Queue an event; `image_data` is a JPEG that follows it.

        Returns the id by which sending it again has no second effect, or None where it is not reported.
        """
        if self._cloud is None:
            return None
        event_id = str(uuid.uuid4())
        body: dict[str, Any] = {
            "eventId": event_id,
            "printerSerial": printer_serial,
            "printerIpAddress": printer_ip,
            "eventType": event_type,
            "eventStatus": event_status,
            "printJobId": print_job_id,
            "errorData": dict(error_data) if error_data is not None else None,
            "statusData": dict(status_data) if status_data is not None else None,
            "message": message,
            "occurredAt": render(utc_now()),
        }
        event = _Event({name: value for name, value in body.items() if value is not None}, image_data)
        return event_id if self._put(event, self._cloud) else None

    def flush(self, seconds: float = LAST_SECONDS) -> bool:
        """Wait until all that was reported is sent or given up, at most so long; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self, seconds: float = LAST_SECONDS) -> bool:
        """Take no more events, try what waits once more without a pause, and end; whether all was sent or given up.

        The end of the program does it by itself.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        atexit.unregister(self.close)
        return self.flush(seconds)

    def _put(self, event: _Event, cloud: Cloud) -> bool:
        with self._changed:
            if self._closing or len(self._waiting) >= MOST_WAITING:
                reason = "the reporter is closed" if self._closing else f"{MOST_WAITING} events are waiting"
                _logger.error("Failed to report event: %s", reason)
                return False
            self._waiting.append(event)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, args=(cloud,), name="event-reporter", daemon=True)
                self._thread.start()
                atexit.register(self.close)
        return True

    def _work(self, cloud: Cloud) -> None:
        while (event := self._next()) is not None:
            try:
                self._deliver(event, cloud)
            except Exception:
                _logger.exception("Failed to report event: %s", event.body["eventType"])
            with self._changed:
                self._busy = False
                self._changed.notify_all()
        cloud.close()

    def _next(self) -> _Event | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._busy = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _deliver(self, event: _Event, cloud: Cloud) -> None:
        """Send the event, and its picture once the cloud has it."""
        stored = self._tried("report event", lambda: cloud.event(event.body))
        picture = event.picture
        if stored is not None and picture is not None:
            self._tried("upload image", lambda: cloud.picture(stored, picture))

    def _tried(self, what: str, call: Callable[[], T]) -> T | None:
        """What the call gives; None where it is given up."""
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS or self._closing
            try:
                return call()
            except (CloudUnavailable, CloudRefused) as error:
                last = last or isinstance(error, CloudRefused) or error.status in HOPELESS
                if attempt == 1 or last:
                    _logger.error(not_sent(error, what))
            if last:
                break
            self._pause(attempt)
        return None

    def _pause(self, attempt: int) -> None:
        wait = backoff.delay(attempt, first=self._timing.retry_first, ceiling=self._timing.retry_ceiling)
        with self._changed:
            self._changed.wait_for(lambda: self._closing, wait)


def _cloud(given: Mapping[str, str | None], timing: Timing) -> Cloud | None:
    """None, and a word about it, where a field is missing or no address."""
    try:
        config = AgentConfig.model_validate({**given, "timing": timing})
    except ValidationError as error:
        wrong = {item["loc"][0] for item in error.errors(include_input=False)}
        _logger.warning(not_configured(name for name in NEEDED if name in wrong))
        return None
    return Cloud(config, "")


def _file(name: str | None) -> dict[str, str] | None:
    return {"fileName": name} if name else None
