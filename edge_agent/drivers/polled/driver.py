"""A polled printer as the agent sees it: one session, and what is built on what it sees."""

from collections.abc import Callable
from threading import Event
from typing import Any

from edge_agent.command import Outcome
from edge_agent.config import PrinterSection
from edge_agent.drivers.base import Camera, PrinterInfo, StatusReport
from edge_agent.drivers.polled.contact import Contact
from edge_agent.drivers.polled.desk import JobDesk
from edge_agent.drivers.polled.device import Device
from edge_agent.drivers.polled.effects import Effects
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.session import Session
from edge_agent.drivers.polled.starts import Starts
from edge_agent.drivers.polled.stops import Recall, Stops
from edge_agent.drivers.polled.workplace import Workplace
from edge_agent.drivers.presence import Presence, offline
from edge_agent.drivers.problems import ProblemWatch
from edge_agent.execution import Rooms, Run
from edge_agent.reporters.events import EventReporter


class PolledDriver:
    """One printer; `changed` is set when its status may be worth reporting."""

    def __init__(self, printer: PrinterSection, device: Device, rooms: Rooms, changed: Event) -> None:
        self.serial = printer.serial
        self.address = printer.address
        self.camera: Camera | None = None
        self.storage = device.storage
        self._device = device
        self._changed = changed
        timing, clock = rooms.timing, rooms.clock
        events = EventReporter(printer.serial, printer.address, rooms)
        self._problems = ProblemWatch(printer.serial, rooms, events)
        self._desk = JobDesk(printer.serial, rooms, events)
        self._session = session = Session(printer.serial, device, timing, rooms.stopping, clock.monotonic)
        session.on_snapshot = self._see
        self._presence = Presence(session, rooms)
        workplace = Workplace(device, session, Contact(session, clock), self._desk, timing, clock)
        self._effects = Effects(workplace)
        self._starts = Starts(workplace)
        self._stops = Stops(workplace)
        self._recall = Recall(workplace)
        self._state = ""

    @property
    def problem(self) -> str | None:
        """What stops this printer from working, for the operator; None where nothing is known to."""
        found = self._presence.problem
        return None if found is None else found.text

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
        return self._device.introduce(check)

    def tick(self) -> None:
        """Let the job's follower see the time, and the cloud what is the matter."""
        if self._session.ready:
            self._desk.tick()
        problem = self._presence.problem
        if problem is not None or self._session.ready:
            self._problems.see(problem)

    def status(self) -> StatusReport | None:
        """The printer's status, offline included (see `presence`)."""
        seen = self._session.snapshot
        if self._presence.is_offline:
            return offline(seen.state)
        return None if seen.state == "UNKNOWN" else self._report(seen)

    def _report(self, seen: Look) -> StatusReport:
        job = self._desk.live_job
        if job is None and self._desk.job is not None and self._desk.shows(seen, self._desk.job):
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
            "layer": seen.layer,
            "totalLayers": seen.total_layers,
            "gcodeState": seen.state,
            "speedPercent": seen.speed_percent,
            "fileName": file_name or None,
            "printJobId": job.print_job_id if job else None,
            "nozzleDiameter": seen.nozzle_diameter,
            "transferProgress": seen.transfer_percent,
            "online": True,
        }
        present = {name: value for name, value in numbers.items() if value is not None}
        material = (seen.state, seen.nozzle_diameter, file_name, numbers["printJobId"])
        return StatusReport(seen.normal_state, material, present)

    def _see(self, seen: Look, first: bool) -> None:
        try:
            self._desk.see(seen, first)
        finally:  # also where the disk takes no writes
            self._recall.see(seen)
        if seen.state != self._state:
            self._state = seen.state
            self._changed.set()
