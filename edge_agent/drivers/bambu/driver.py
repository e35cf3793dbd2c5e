"""A Bambu printer as the agent sees it: one session, and what is built on its reports."""

from collections.abc import Callable
from threading import Event
from typing import Any

from edge_agent.camera.bambu import BambuView
from edge_agent.camera.photographer import Photographer
from edge_agent.camera.shared import SharedCamera
from edge_agent.command import Outcome
from edge_agent.config import PrinterConfig
from edge_agent.drivers.bambu import troubles
from edge_agent.drivers.bambu.commands import Request
from edge_agent.drivers.bambu.contact import Contact
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.effects import Effects
from edge_agent.drivers.bambu.hms import decode
from edge_agent.drivers.bambu.hms_watch import HmsWatch, paused_by_itself
from edge_agent.drivers.bambu.link import GET_VERSION
from edge_agent.drivers.bambu.models import has_chamber_heater, has_chamber_sensor
from edge_agent.drivers.bambu.probe import printer_info, visit_broker, visit_files
from edge_agent.drivers.bambu.recall import Recall
from edge_agent.drivers.bambu.session import NotConnected, Session
from edge_agent.drivers.bambu.starts import Starts
from edge_agent.drivers.bambu.state import Picture
from edge_agent.drivers.bambu.stops import Stops
from edge_agent.drivers.bambu.storage import BambuStorage
from edge_agent.drivers.bambu.whereabouts import Whereabouts
from edge_agent.drivers.base import Camera, PrinterInfo, StatusReport
from edge_agent.drivers.presence import Presence, offline
from edge_agent.drivers.problems import Problem, ProblemWatch
from edge_agent.execution import Rooms, Run
from edge_agent.reporters.events import EventReporter


class BambuDriver:
    """One printer; `changed` is set when its status may be worth reporting."""

    def __init__(self, printer: PrinterConfig, rooms: Rooms, changed: Event) -> None:
        timing, clock = rooms.timing, rooms.clock
        self._place = place = Whereabouts(printer, clock.monotonic, rooms.store, rooms.neighbours)
        place.on_moved = self._move
        self.serial = printer.serial
        self.address = place.address
        self._rooms = rooms
        self._changed = changed
        self._events = events = EventReporter(printer.serial, place.address, rooms)
        self._problems = ProblemWatch(printer.serial, rooms, events)
        self.storage = BambuStorage(place, clock, timing.ftps_reply, self._in_print)
        self._desk = JobDesk(printer.serial, rooms, events)
        self._hms = HmsWatch(printer.serial, rooms, events)
        self._session = Session(place, timing, clock.monotonic, rooms.stopping)
        self._session.on_picture = self._see
        self._presence = Presence(self._session, rooms)
        self._contact = contact = Contact(self._session, clock, timing.ack_timeout)
        self._effects = Effects(printer.serial, self._session, contact, self._desk, timing, clock)
        self._starts = Starts(place, self.storage, self._session, contact, self._desk, timing, clock)
        urgent = Contact(self._session, clock, timing.stop_repeat)
        self._stops = Stops(self._session, urgent, self._desk, timing, clock)
        self._recall = Recall(self._session, self._desk, timing, clock)
        view = BambuView(
            printer,
            address=lambda: self.address,
            rtsp_url=lambda: self._session.picture.rtsp_url,
            code_is_right=lambda: self._session.ready,
        )
        self.camera: Camera = SharedCamera(view.look, timing.picture, clock.monotonic, rooms.stopping)
        self._photographer = Photographer(
            printer.serial,
            self.camera,
            rooms,
            events,
            printed=lambda: self._desk.live_job if self._session.picture.gcode_state == "RUNNING" else None,
            paused_by_itself=lambda: paused_by_itself(self._session.picture),
        )
        self._visible: tuple[object, ...] = ()

    @property
    def problem(self) -> str | None:
        """What stops this printer from working, for the operator; None where nothing is known to."""
        found = self._problem()
        return None if found is None else found.text

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._session.start()

    def stop(self) -> None:
        """Begin to say goodbye to the printer; returns at once."""
        self._session.stop()

    def join(self, seconds: float) -> None:
        """Wait for the goodbye, at most so long."""
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
        """The session that is up is asked, or else a connection of the test's own is made; then the file server."""
        info = self._asked()
        if info is None:
            info = visit_broker(self._place, self._rooms.timing, check)
        check()
        visit_files(self.storage)
        return info

    def tick(self) -> None:
        """Let the tracker see the time, and the cloud what is the matter."""
        if self._session.ready:
            self._recall.tick()  # before what needs the disk
            self._desk.tick()
            self._photographer.tick()
        problem = self._problem()
        if problem is not None or self._session.ready:
            self._problems.see(problem)

    def status(self) -> StatusReport | None:
        """The printer's status, offline included (see `presence`)."""
        picture = self._session.picture
        if self._presence.is_offline:
            return offline(picture.gcode_state)
        return None if picture.gcode_state == "UNKNOWN" else self._report(picture)

    def _problem(self) -> Problem | None:
        return self._presence.problem or (troubles.DEVELOPER_MODE_OFF if self._session.needs_developer_mode else None)

    def _move(self, address: str) -> None:
        self.address = self._events.address = address
        self._changed.set()

    def _asked(self) -> PrinterInfo | None:
        """What the printer says of itself over the session; None where that is not up, or nobody answers on it."""
        try:
            ticket = self._session.send(Request("info", GET_VERSION, {}))
        except NotConnected:
            return None
        self._session.settled(ticket)
        self._session.wait(lambda: ticket.ack is not None, self._rooms.timing.ack_timeout)
        self._session.done(ticket)
        if ticket.ack is not None:
            return printer_info(self.serial, ticket.ack.content)
        return PrinterInfo(self.serial) if self._contact.read_back() else None

    def _in_print(self, name: str) -> bool:
        """Whether the printer may be reading the file of this name for a print."""
        picture = self._session.picture
        job = self._desk.live_job
        stem = name.lower().removesuffix(".3mf").removesuffix(".gcode")
        if job is not None and job.marker.lower() == stem:
            return True
        shown = (picture.subtask_name.lower(), picture.gcode_file.lower().rsplit("/", 1)[-1])
        return picture.active and (stem == shown[0] or name.lower() == shown[1])

    def _report(self, picture: Picture) -> StatusReport:
        job = self._desk.live_job
        if job is None and self._desk.job is not None and self._desk.shows(picture, self._desk.job):
            job = self._desk.job
        hms = [decode(attr, code) for attr, code in picture.hms]
        file_name = (job.file_name if job else "") or picture.subtask_name or picture.gcode_file
        numbers: dict[str, Any] = {
            "progress": picture.percent,
            "bedTemp": picture.bed,
            "bedTargetTemp": picture.bed_target,
            "nozzleTemp": picture.nozzle,
            "nozzleTargetTemp": picture.nozzle_target,
            "chamberTemp": picture.chamber if has_chamber_sensor(self.serial) else None,
            "chamberTargetTemp": picture.chamber_target if has_chamber_heater(self.serial) else None,
            "fanPercent": picture.fans.get("part"),
            "remainingTime": picture.remaining_seconds,
            "layer": picture.layer,
            "totalLayers": picture.total_layers,
            "gcodeState": picture.gcode_state,
            "amsStatus": picture.ams_status,
            "speedPercent": picture.speed_percent,
            "fileName": file_name or None,
            "printJobId": job.print_job_id if job else None,
            "printError": picture.print_error,
            "hms": [{"code": entry.text, "severity": entry.severity, "module": entry.module} for entry in hms],
            "loadedFilaments": None if picture.filaments is None else [each.wire() for each in picture.filaments],
            "nozzleDiameter": picture.nozzle_diameter,
            "online": True,
        }
        material = (
            *_visible(picture),
            picture.print_error,
            frozenset(picture.hms),
            file_name,
            numbers["printJobId"],
        )
        present = {name: value for name, value in numbers.items() if value is not None}
        return StatusReport(picture.state, material, present)

    def _see(self, picture: Picture, first: bool) -> None:
        self._desk.see(picture, first)
        self._hms.see(picture, self._desk.live_job)
        if (visible := _visible(picture)) != self._visible:
            self._visible = visible
            self._changed.set()


def _visible(picture: Picture) -> tuple[object, ...]:
    """What a person at the printer would see change: its state, the spools, the nozzle."""
    spools = None if picture.filaments is None else tuple(each.identity for each in picture.filaments)
    return picture.gcode_state, spools, picture.nozzle_diameter
