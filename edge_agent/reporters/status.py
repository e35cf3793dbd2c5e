"""The printers' status, coalesced: a change of state at once, numbers now and then, only the newest waits."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from edge_agent.drivers.base import Driver, PrinterState, StatusReport
from edge_agent.execution import Rooms
from edge_agent.logs import log_exception
from edge_agent.outbox import Kind
from edge_agent.supervision import supervised
from edge_agent.timestamps import render

TICK_SECONDS = 0.5
RIDES_ALONG = 0.5
"""The part of its interval after which a printer's status goes with another's that is due, in one call."""

BUSY: frozenset[PrinterState] = frozenset({"preparing", "printing", "paused"})


@dataclass(slots=True)
class _Last:
    material: tuple[object, ...] | None = None
    at: float = 0.0


class StatusReporter:
    """Looks at every printer's status whenever `changed` is set, and twice a second."""

    def __init__(
        self,
        watched: Callable[[], AbstractContextManager[Sequence[Driver]]],
        rooms: Rooms,
        changed: threading.Event,
    ) -> None:
        """`watched` gives the drivers of now, for as long as they are looked at."""
        self.seen: Mapping[str, StatusReport] = {}
        """What was seen last, by serial; without the printers of which it is too early to say."""
        self._last: dict[str, _Last] = {}
        self._watched = watched
        self._rooms = rooms
        self._changed = changed

    def loop(self) -> None:
        """Report until the agent stops."""
        supervised("status", self._rooms.stopping, self._step)

    def _step(self) -> None:
        self._changed.wait(TICK_SECONDS)
        self._changed.clear()
        with self._watched() as drivers:
            seen = [(driver, report) for driver in drivers if (report := self._look_at(driver)) is not None]
            self._last = {driver.serial: self._last.get(driver.serial) or _Last() for driver in drivers}
        self.seen = {driver.serial: report for driver, report in seen}
        is_time = any(self._waited(driver, report) >= 1 for driver, report in seen)
        due = [
            (driver, report)
            for driver, report in seen
            if report.material != self._last[driver.serial].material
            or (is_time and self._waited(driver, report) >= RIDES_ALONG)
        ]
        for driver, report in due:
            self._put(driver, report)
        if due:
            self._rooms.reports_waiting.set()

    def _look_at(self, driver: Driver) -> StatusReport | None:
        try:
            driver.tick()
            return driver.status()
        except Exception as error:
            log_exception("status_failed", error, printerSerial=driver.serial)
            return None

    def _waited(self, driver: Driver, report: StatusReport) -> float:
        """How long the numbers have waited, in intervals."""
        timing = self._rooms.timing
        interval = timing.status_printing if report.state in BUSY else timing.status_idle
        return (self._rooms.clock.monotonic() - self._last[driver.serial].at) / interval

    def _put(self, driver: Driver, report: StatusReport) -> None:
        body = {
            "printerSerial": driver.serial,
            "printerIpAddress": driver.address,
            "status": {"state": report.state, **report.numbers},
            "timestamp": render(self._rooms.clock.now()),
        }
        try:
            self._rooms.outbox.replace(Kind.STATUS, driver.serial, body)
        except Exception as error:
            log_exception("status_failed", error, printerSerial=driver.serial)
            return
        last = self._last[driver.serial]
        last.material, last.at = report.material, self._rooms.clock.monotonic()
