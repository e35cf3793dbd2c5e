"""A polled printer whose driver is replaced, or whose agent cannot write, in the middle of a start or after a stop."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge_agent.config import Timing
from edge_agent.drivers.base import PrinterInfo, Storage
from edge_agent.drivers.polled.device import Reply, Sending
from edge_agent.drivers.polled.driver import PolledDriver
from edge_agent.drivers.polled.looks import Look
from edge_agent.executor import Executor, Leases
from edge_agent.fleet import Fleet
from edge_agent.inbox import Inbox
from tests.integration.agent_site import until
from tests.unit.agent.agent_rooms import events
from tests.unit.agent.offline_rooms import no_file_longer_than
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud
from tests.unit.agent.test_agent_fleet import BenchSite, section

TIMING = Timing(poll=0.05, late_window=0.5, stop_repeat=0.2, effect_timeout=5, start_timeout=20, hms_clear=0.5)


@dataclass
class Machine:
    """The printer itself; its answer to a start comes when `answers` is set, and the print begins when `begins` is."""

    starts: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)
    begins: threading.Event = field(default_factory=threading.Event)
    shown: Look = field(default_factory=lambda: Look("IDLE"))

    def look(self) -> Look:
        if self.starts and self.begins.is_set() and self.shown.state == "IDLE":
            self.shown = Look("PRINTING", job_id=7, file=self.starts[0], percent=3.0)
        return self.shown


class MachineDevice:
    """A brand's words for it."""

    brand = "Bench"
    extensions = (".gcode", ".g")

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @property
    def storage(self) -> Storage:
        return None  # type: ignore[return-value]

    def look(self, first: bool) -> Look:
        return self._machine.look()

    def size_of(self, name: str) -> int:
        return -1

    def upload(self, source: Path, name: str, check: Callable[[], None]) -> None:
        check()

    def start(self, name: str) -> Reply:
        self._machine.starts.append(name)
        self._machine.answers.wait(30)
        return Reply(Sending.TAKEN)

    def stop(self, job: str) -> Reply:
        self._machine.stops.append(job)
        self._machine.shown = Look("STOPPED")
        return Reply(Sending.TAKEN)

    def pause(self, job: str) -> Reply:
        return Reply(Sending.REFUSED)

    def resume(self, job: str) -> Reply:
        return Reply(Sending.REFUSED)

    def introduce(self, check: Callable[[], None]) -> PrinterInfo:
        return PrinterInfo("A")


class PolledSite(BenchSite):
    """A fleet of one polled printer."""

    def __init__(self, cloud: StandInCloud, folder: Path, machine: Machine | None = None) -> None:
        super().__init__(cloud, folder)
        self.machine = machine or Machine()
        self.changed = threading.Event()
        self.rooms = replace(self.rooms, timing=TIMING)
        leases = Leases(self.rooms)
        self.fleet = Fleet(
            self.base,
            self.rooms,
            leases,
            lambda part, rooms: PolledDriver(part, MachineDevice(self.machine), rooms, self.changed),
        )
        self.inbox = Inbox(SITE, self.rooms, Executor(self.rooms, leases), self.fleet)
        self.fleet.on_settled = self.inbox.resume
        self.cloud.files["file-1"] = b"G28\n" * 100
        self.fleet.apply(self.base.model_copy(update={"printers": (section("A"),)}))

    def start(self) -> str:
        command = self.cloud.order("start_print", "A", fileId="file-1", fileName="x.gcode", printJobId="job-1")
        self.inbox.receive({**self.cloud.commands[command], "fence": None})
        return command

    def shows(self, state: str) -> bool:
        """Whether the driver has seen the printer so."""
        report = self.fleet.drivers()[0].status()
        return report is not None and report.numbers["gcodeState"] == state


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PolledSite]:
    with stand_in_cloud() as cloud:
        made = PolledSite(cloud, tmp_path)
        yield made
        made.machine.answers.set()
        made.close()


def test_a_start_whose_answer_comes_after_its_printer_was_replaced_is_sent_and_told_once(site: PolledSite) -> None:
    start = site.start()
    until(lambda: len(site.machine.starts) == 1)
    site.apply(A="2")
    site.machine.begins.set()
    until(lambda: len(events(site.rooms, "job_started")) == 1)
    site.machine.answers.set()
    assert site.result(start) == ("completed", "the printer has the job")
    assert len(site.machine.starts) == 1
    assert [len(events(site.rooms, kind)) for kind in ("job_preparing", "job_started")] == [1, 1]


def test_a_stop_after_the_replacement_is_not_undone_by_the_answer_to_the_start_before(site: PolledSite) -> None:
    site.start()
    until(lambda: len(site.machine.starts) == 1)
    site.apply(A="2")
    stop = site.order("stop", "A")
    assert site.result(stop)[0] == "completed"
    site.machine.answers.set()
    until(lambda: site.rooms.journal.unfinished() == [])
    site.apply(A="3")
    site.machine.begins.set()
    until(lambda: site.machine.stops == ["7"], 10, "the print that began after its stop is stopped")
    assert len(site.machine.starts) == 1


def test_a_print_that_begins_after_its_stop_is_stopped_on_a_full_disk_too(site: PolledSite) -> None:
    site.machine.answers.set()
    site.start()
    until(lambda: len(site.machine.starts) == 1)
    stop = site.order("stop", "A")
    assert site.result(stop)[0] == "completed"
    with no_file_longer_than(0):
        site.machine.shown = Look("PRINTING", job_id=3, file="theirs.gcode")
        until(lambda: site.shows("PRINTING"), 5, "a print whose beginning cannot be written down")
        site.machine.shown = Look("IDLE")
        site.machine.begins.set()
        until(lambda: site.machine.stops == ["7"], 10, "the print that began after its stop is stopped")
        assert len(events(site.rooms, "job_preparing")) == 1


def test_a_start_of_which_only_memory_knows_the_end_is_not_sent_again_after_a_kill(
    site: PolledSite, tmp_path: Path
) -> None:
    left_behind = tmp_path / "killed"
    left_behind.mkdir()
    start = site.start()
    until(lambda: len(site.machine.starts) == 1)
    with no_file_longer_than(0):
        site.machine.answers.set()
        site.machine.begins.set()
        site.result(start)
        assert site.store.trouble is not None
        stop = site.order("stop", "A")
        assert site.result(stop)[0] == "completed"
        site.machine.shown = Look("IDLE")
        site.machine.begins.clear()
        site.rooms.stopping.set()
        site.fleet.stop()
    for path in (tmp_path / "agent.db", tmp_path / "agent.db-wal"):
        shutil.copyfile(path, left_behind / path.name)
    again = PolledSite(site.cloud, left_behind, site.machine)
    try:
        again.inbox.resume()
        again.result(start, 20)
        assert len(site.machine.starts) == 1
    finally:
        again.close()
