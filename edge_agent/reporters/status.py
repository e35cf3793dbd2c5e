"""The printers' status, coalesced: a change of state at once, numbers now and then, only the newest waits."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.drivers.base import Driver, PrinterState, StatusReport
from edge_agent.execution import Rooms
from edge_agent.outbox import Kind
from edge_agent.timestamps import render

TICK_SECONDS = 0.5
BUSY: frozenset[PrinterState] = frozenset({"preparing", "printing", "paused"})


@dataclass(slots=True)
class _Last:
    material: tuple[object, ...] | None = None
    at: float = 0.0


class StatusReporter:
    """Looks at every printer's status whenever `changed` is set, and twice a second."""

    def __init__(self, drivers: Sequence[Driver], rooms: Rooms, changed: threading.Event) -> None:
        self._last = {driver.serial: _Last() for driver in drivers}
        self._drivers = drivers
        self._rooms = rooms
        self._changed = changed

    def loop(self) -> None:
        """Report until the agent stops."""
        while not self._rooms.stopping.is_set():
            self._changed.wait(TICK_SECONDS)
            self._changed.clear()
            for driver in self._drivers:
                driver.tick()
                report = driver.status()
                if report is not None and self._is_due(report, self._last[driver.serial]):
                    self._put(driver, report)

    def _is_due(self, report: StatusReport, last: _Last) -> bool:
        timing = self._rooms.timing
        now = self._rooms.clock.monotonic()
        interval = timing.status_printing if report.state in BUSY else timing.status_idle
        if report.material == last.material and now - last.at < interval:
            return False
        last.material, last.at = report.material, now
        return True

    def _put(self, driver: Driver, report: StatusReport) -> None:
        body = {
            "printerSerial": driver.serial,
            "printerIpAddress": driver.address,
            "status": {"state": report.state, **report.numbers},
            "timestamp": render(self._rooms.clock.now()),
        }
        self._rooms.outbox.replace(Kind.STATUS, driver.serial, body)
        self._rooms.reports_waiting.set()
