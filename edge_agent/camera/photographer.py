"""Takes a picture of what happens at a printer, beside everything else: nothing ever waits for it."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from edge_agent.drivers.base import Camera, CameraFailed
from edge_agent.execution import Rooms
from edge_agent.jobs import Job
from edge_agent.logs import log, log_exception
from edge_agent.reporters.events import EventReporter

WAITING = 16
"""How many events wait for a picture at the most; the oldest is the first to go without."""
PICTURED = frozenset({"job_completed", "job_failed", "first_layer"})
GRAVE = frozenset({"fatal", "serious", "critical", "error"})
"""Severities of errors that are pictured: the printers' own, and those of the product's contract."""
SNAPSHOT = "snapshot"


class Photographer:
    """One for each printer with a camera. It has a thread of its own for as long as events wait for a picture."""

    def __init__(
        self,
        serial: str,
        camera: Camera,
        rooms: Rooms,
        events: EventReporter,
        printed: Callable[[], Job | None],
        paused_by_itself: Callable[[], bool],
    ) -> None:
        """`printed`: the job that is being printed; `paused_by_itself`: whether no person paused it."""
        self._serial = serial
        self._camera = camera
        self._rooms = rooms
        self._events = events
        self._printed = printed
        self._paused_by_itself = paused_by_itself
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._at_work = False
        self._complaint = ""
        self._due: float | None = None
        if rooms.pictures.on_events:
            events.on_event = self._see

    def tick(self) -> None:
        """Time has passed: with a schedule, a print is pictured when that is due."""
        every = self._rooms.pictures.every
        if every is None:
            return
        now, job = self._rooms.clock.monotonic(), self._printed()
        if job is None:
            self._due = None
        elif self._due is None:
            self._due = now + every
        elif now >= self._due:
            self._due = now + every
            self._want(self._events.report(SNAPSHOT, "info", "a picture of the print", job=job))

    def _see(self, event_id: str, kind: str, error_data: Mapping[str, Any] | None) -> None:
        """An event was queued."""
        is_grave = kind == "hms_error" and error_data is not None and error_data.get("severity") in GRAVE
        if is_grave or kind in PICTURED or (kind == "job_paused" and self._paused_by_itself()):
            self._want(event_id)

    def _want(self, event_id: str) -> None:
        with self._lock:
            self._waiting.append(event_id)
            if len(self._waiting) > WAITING:
                log("picture_missed", "WARNING", printerSerial=self._serial, eventId=self._waiting.popleft())
            if not self._at_work:
                name = f"{self._serial}-pictures"
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._at_work = True

    def _work(self) -> None:
        while events := self._next():
            try:
                self._picture(events)
            except Exception as error:
                log_exception("picture_failed", error, printerSerial=self._serial)

    def _next(self) -> list[str]:
        """All events that wait: they share one picture."""
        with self._lock:
            events = list(self._waiting)
            self._waiting.clear()
            self._at_work = bool(events)
            return events

    def _picture(self, events: list[str]) -> None:
        try:
            jpeg = self._camera.picture(lambda: None)
        except CameraFailed as failure:
            if failure.code != self._complaint:
                self._complaint = failure.code
                log("picture_failed", "WARNING", printerSerial=self._serial, code=failure.code, reason=str(failure))
            return
        self._complaint = ""
        for event_id in events:
            self._rooms.outbox.put_picture(event_id, jpeg)
        log("picture_taken", printerSerial=self._serial, size=len(jpeg), eventIds=events)
        self._rooms.reports_waiting.set()
