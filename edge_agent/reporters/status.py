"""The printers' status, coalesced: a change of state at once, numbers now and then, only the newest waits."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.drivers.base import Driver, PrinterState, StatusReport
from edge_agent.execution import Rooms
from edge_agent.logs import log_exception
from edge_agent.outbox import Kind
from edge_agent.supervision import supervised
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
        supervised("status", self._rooms.stopping, self._step)

    def _step(self) -> None:
        self._changed.wait(TICK_SECONDS)
        self._changed.clear()
        for driver in self._drivers:
            try:
                self._look_at(driver)
            except Exception as error:
                log_exception("status_failed", error, printerSerial=driver.serial)

    def _look_at(self, driver: Driver) -> None:
        driver.tick()
        report, last = driver.status(), self._last[driver.serial]
        if report is not None and self._is_due(report, last):
            self._put(driver, report)
            last.material, last.at = report.material, self._rooms.clock.monotonic()

    def _is_due(self, report: StatusReport, last: _Last) -> bool:
        timing = self._rooms.timing
        now = self._rooms.clock.monotonic()
        interval = timing.status_printing if report.state in BUSY else timing.status_idle
        return report.material != last.material or now - last.at >= interval

    def _put(self, driver: Driver, report: StatusReport) -> None:
        body = {
            "printerSerial": driver.serial,
            "printerIpAddress": driver.address,
            "status": {"state": report.state, **report.numbers},
            "timestamp": render(self._rooms.clock.now()),
        }
        self._rooms.outbox.replace(Kind.STATUS, driver.serial, body)
        self._rooms.reports_waiting.set()
