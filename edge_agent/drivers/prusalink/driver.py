"""A PrusaLink printer as the agent sees it: one session, and what is built on what it sees."""

from collections.abc import Callable
from threading import Event
from typing import Any

from edge_agent.command import Outcome
from edge_agent.config import PrusaLinkConfig
from edge_agent.drivers.base import PrinterInfo, StatusReport
from edge_agent.drivers.prusalink.contact import Contact
from edge_agent.drivers.prusalink.desk import JobDesk
from edge_agent.drivers.prusalink.effects import Effects
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.probe import visit
from edge_agent.drivers.prusalink.session import Session
from edge_agent.drivers.prusalink.starts import Starts
from edge_agent.drivers.prusalink.state import Snapshot
from edge_agent.drivers.prusalink.stops import Recall, Stops
from edge_agent.drivers.prusalink.storage import PrusaStorage
from edge_agent.drivers.prusalink.tracking import shows
from edge_agent.execution import Rooms, Run
from edge_agent.reporters.events import EventReporter


class PrusaLinkDriver:
    """One printer; `changed` is set when its status may be worth reporting."""

    def __init__(self, printer: PrusaLinkConfig, rooms: Rooms, changed: Event) -> None:
        self.serial = printer.serial
        self.address = printer.address
        self._rooms = rooms
        self._changed = changed
        timing, clock = rooms.timing, rooms.clock
        self._line = line = Line(printer.address, printer.http_port, printer.access_code, timing)
        self.storage = PrusaStorage(line, timing)
        self._desk = JobDesk(printer.serial, rooms, EventReporter(printer.serial, printer.address, rooms))
        self._recall = Recall(line, self._desk, timing, clock)
        self._session = session = Session(printer.serial, line, timing, rooms.stopping)
        session.on_snapshot = self._see
        contact = Contact(session, clock)
        self._effects = Effects(session, line, contact, self._desk, timing, clock)
        self._starts = Starts(session, line, self.storage, contact, self._desk, timing, clock)
        self._stops = Stops(session, line, contact, self._desk, timing, clock)
        self._state = ""
        self._unready_since: float | None = clock.monotonic()

    def start(self) -> None:
        """Begin to look at the printer; returns at once."""
        self._session.start()

    def stop(self) -> None:
        """Begin to end; returns at once."""
        self._session.stop()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so long."""
        self._session.join(seconds)

    def perform(self, run: Run) -> Outcome:
        """Carry out the run's command."""
        match run.command.kind:
            case "start_print":
                return self._starts.perform(run)
            case "stop":
                return self._stops.perform(run)
            case _:
                return self._effects.perform(run)

    def test_connection(self, check: Callable[[], None]) -> PrinterInfo:
        """Ask the printer who it is. Raises ConnectionFailed."""
        return visit(self._line, self.serial, check)

    def tick(self) -> None:
        """Let the tracker see the time."""
        if self._session.ready:
            self._desk.tick()

    def status(self) -> StatusReport | None:
        """The printer's status; a short break in the connection does not make it offline."""
        now = self._rooms.clock.monotonic()
        if self._session.ready:
            self._unready_since = None
        elif self._unready_since is None:
            self._unready_since = now
        seen = self._session.snapshot
        if self._unready_since is not None and now - self._unready_since >= self._rooms.timing.offline_after:
            return StatusReport("offline", ("offline",), {"gcodeState": seen.state, "online": False})
        return None if seen.state == "UNKNOWN" else self._report(seen)

    def _report(self, seen: Snapshot) -> StatusReport:
        job = self._desk.live_job
        if job is None and self._desk.job is not None and shows(seen, self._desk.job):
            job = self._desk.job
        file_name = (job.file_name if job else "") or seen.file
        percent = 100.0 if seen.state == "FINISHED" else seen.percent
        numbers: dict[str, Any] = {
            "progress": None if percent is None else int(percent),
            "bedTemp": seen.bed,
            "bedTargetTemp": seen.bed_target,
            "nozzleTemp": seen.nozzle,
            "nozzleTargetTemp": seen.nozzle_target,
            "remainingTime": seen.remaining_seconds,
            "gcodeState": seen.state,
            "speedPercent": seen.speed_percent,
            "fileName": file_name or None,
            "printJobId": job.print_job_id if job else None,
            "nozzleDiameter": seen.nozzle_diameter,
            "online": True,
        }
        material = (seen.state, seen.nozzle_diameter, file_name, numbers["printJobId"])
        present = {name: value for name, value in numbers.items() if value is not None}
        return StatusReport(seen.normal_state, material, present)

    def _see(self, seen: Snapshot, first: bool) -> None:
        self._desk.see(seen, first)
        self._recall.see(seen)
        if seen.state != self._state:
            self._state = seen.state
            self._changed.set()
