"""Stops at a simulated PrusaLink printer: they end what they are for, and nothing else."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.cloud import Cloud
from edge_agent.command import Command, Outcome, Status
from edge_agent.config import AgentConfig, Timing
from edge_agent.drivers.polled.contact import Contact
from edge_agent.drivers.polled.desk import JobDesk
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.session import Session
from edge_agent.drivers.polled.stops import Stops
from edge_agent.drivers.polled.workplace import Workplace
from edge_agent.drivers.prusalink.device import PrusaLink
from edge_agent.drivers.prusalink.line import Line
from edge_agent.execution import Rooms, Run
from edge_agent.files import FileCache
from edge_agent.jobs import Job
from edge_agent.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.reporters.events import EventReporter
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock
from local.simulator.farm import Farm
from local.simulator.prusa_printer import SimulatedPrusa
from tests.integration.agent_site import until

OURS, THEIRS = "ours_12345678.gcode", "theirs.gcode"
LONG = b";estimated printing time (normal mode) = 5h 0m 0s\n" + b"G1 X1 Y1 E1\n" * 2_000
TIMING = Timing(ack_timeout=2, connect_timeout=2, effect_timeout=10, stop_repeat=0.3, late_window=20, poll=0.1)


class Desk:
    """What an agent has for one printer."""

    def __init__(self, printer: SimulatedPrusa, rooms: Rooms) -> None:
        self._rooms = rooms
        line = Line(printer.host, printer.http_port, printer.access_code, TIMING)
        self.device = PrusaLink(line, printer.serial)
        self.desk = JobDesk(printer.serial, rooms, EventReporter(printer.serial, printer.host, rooms))
        self.session = Session(printer.serial, self.device, TIMING, rooms.stopping)
        self.session.on_snapshot = self.desk.see
        contact = Contact(self.session, rooms.clock)
        self.stops = Stops(Workplace(self.device, self.session, contact, self.desk, TIMING, rooms.clock))

    def begin(self) -> None:
        """A start of ours was sent, and the printer does not show it yet."""
        now = self.desk.now()
        self.desk.begin(Job(marker=OURS, printer="", command_id="c1", print_job_id="job-1", published_at=now))

    def run(self, kind: str, sequence: int, job: str | None) -> Run:
        """A command under way."""
        command = Command(
            command_id=f"c{sequence}",
            command_type=kind,
            sequence=sequence,
            metadata={"printJobId": job} if job else {},
            expires_at=datetime.now(UTC) + timedelta(minutes=5),
        )
        return Run(self._rooms.journal.record(command)[0], self._rooms)

    def stop(self, job: str | None) -> Outcome:
        """The outcome of a stop of that job, or of whatever is printed."""
        return self.stops.perform(self.run("stop", 2, job))


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    store, clock = Store(tmp_path / "agent.db"), Clock()
    journal = Journal(store, clock)
    config = AgentConfig(backend_url="http://127.0.0.1:9", api_key="k", recipient_id="site-1", timing=TIMING)
    yield Rooms(
        store=store,
        journal=journal,
        outbox=Outbox(store, clock),
        cloud=Cloud(config, journal.agent_id),
        files=FileCache(tmp_path / "files"),
        timing=TIMING,
        clock=clock,
        server_time=ServerTime(clock),
        observe=silent,
        stopping=threading.Event(),
        reports_waiting=threading.Event(),
    )
    store.close()


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrusa]:
    with Farm(["CoreOne"], state_dir=tmp_path / "farm", speed=20.0) as farm:
        yield farm.prusas[0]


def start_theirs(printer: SimulatedPrusa, desk: Desk, folder: Path) -> None:
    """Somebody starts a print at the screen, and it is shown."""
    source = folder / "source"
    source.write_bytes(LONG)
    desk.device.storage.send(source, THEIRS, lambda _sent: None)
    printer.at_screen("start", THEIRS)
    until(lambda: printer.inspect()["state"] == "PRINTING")


def test_a_stop_of_whatever_prints_looks_before_it_says_that_nothing_does(
    printer: SimulatedPrusa, rooms: Rooms, tmp_path: Path
) -> None:
    desk = Desk(printer, rooms)
    start_theirs(printer, desk, tmp_path)
    waiting = desk.desk.ongoing = desk.run("start_print", 1, "job-1")
    assert desk.stop(None).message == "stopped"
    assert waiting.cancel_reason is not None
    assert printer.inspect()["state"] == "STOPPED"


def test_a_stop_of_a_start_that_is_not_shown_leaves_another_print_alone(
    printer: SimulatedPrusa, rooms: Rooms, tmp_path: Path
) -> None:
    desk = Desk(printer, rooms)
    desk.begin()
    start_theirs(printer, desk, tmp_path)
    outcome = desk.stop("job-1")
    assert (outcome.status, outcome.message) == (Status.FAILED, "the printer is not printing that job")
    assert (printer.inspect()["commands"], printer.inspect()["state"]) == ([], "PRINTING")


@pytest.mark.parametrize(("state", "is_occupied"), [("PRINTING", True), ("PAUSED", True), ("FINISHED", False)])
def test_a_printer_that_prints_and_does_not_say_what_is_occupied(
    printer: SimulatedPrusa, rooms: Rooms, state: str, is_occupied: bool
) -> None:
    assert Desk(printer, rooms).desk.occupied(Look(state=state)) is is_occupied
