"""The fleet: exactly what changed is made anew, one driver at a time, and no command is lost or doubled by it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.cloud import Cloud
from edge_agent.command import Outcome, completed
from edge_agent.config import AgentConfig, PrinterSection, Timing
from edge_agent.drivers.base import Camera, ConnectionFailed, PrinterInfo, StatusReport, Storage
from edge_agent.execution import Rooms, Run
from edge_agent.executor import Executor, Leases
from edge_agent.files import FileCache
from edge_agent.fleet import Fleet
from edge_agent.inbox import Inbox
from edge_agent.journal import Journal
from edge_agent.outbox import Kind, Outbox
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock
from tests.integration.agent_site import until
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

Act = Callable[["BenchDriver", Run], Outcome]


def at_once(driver: "BenchDriver", _run: Run) -> Outcome:
    """Done as soon as it is asked for."""
    return completed(driver.code)


def patiently(_driver: "BenchDriver", run: Run) -> Outcome:
    """Sent, and then waited for its effect for ever; whoever finds it sent knows the effect."""
    if run.may_have_been_sent:
        return completed("read back")
    run.intend()
    run.publishing()
    run.published()
    while True:
        run.check()
        time.sleep(0.01)


@dataclass
class Bench:
    """What all drivers of a test share."""

    act: Act = at_once
    goodbye_seconds: float = 0.0
    made: list["BenchDriver"] = field(default_factory=list)
    performed: list[tuple[str, str]] = field(default_factory=list)
    """Command and access code of the driver that had it, in order."""

    def alive(self, serial: str) -> list["BenchDriver"]:
        """The printer's drivers that have begun and not ended."""
        return [each for each in self.made if each.serial == serial and each.began and not each.over.is_set()]


class BenchDriver:
    """A printer that takes commands; the test says how."""

    camera: Camera | None = None
    problem: str | None = None

    def __init__(self, bench: Bench, section: PrinterSection) -> None:
        if section.model == "impossible":
            raise ValueError("no such model")
        self.serial, self.address, self.code = section.serial, section.address, section.access_code
        self.began, self.over = False, threading.Event()
        self._bench = bench
        bench.made.append(self)

    @property
    def storage(self) -> Storage:
        raise NotImplementedError

    def test_connection(self, check: Callable[[], None]) -> PrinterInfo:
        raise ConnectionFailed("unreachable", "not here")

    def start(self) -> None:
        assert self._bench.alive(self.serial) == []
        self.began = True

    def stop(self) -> None:
        threading.Timer(self._bench.goodbye_seconds, self.over.set).start()

    def join(self, seconds: float) -> None:
        self.over.wait(seconds)

    def perform(self, run: Run) -> Outcome:
        self._bench.performed.append((run.command.command_id, self.code))
        return self._bench.act(self, run)

    def status(self) -> StatusReport | None:
        return None

    def tick(self) -> None:
        """Time does nothing."""


class BenchSite:
    """A fleet with an inbox, between a small cloud and a real store."""

    def __init__(self, cloud: StandInCloud, folder: Path) -> None:
        self.cloud, self.bench, clock = cloud, Bench(), Clock()
        self.store = Store(folder / "agent.db")
        self.base = AgentConfig(
            backend_url=cloud.url, api_key="k", recipient_id=SITE, timing=Timing(retry_first=0.05, retry_ceiling=0.1)
        )
        journal = Journal(self.store, clock)
        self.rooms = Rooms(
            store=self.store,
            journal=journal,
            outbox=Outbox(self.store, clock),
            cloud=Cloud(self.base, journal.agent_id),
            files=FileCache(folder / "files"),
            timing=self.base.timing,
            clock=clock,
            server_time=ServerTime(clock),
            observe=silent,
            stopping=threading.Event(),
            reports_waiting=threading.Event(),
        )
        leases = Leases(self.rooms)
        self.fleet = Fleet(self.base, self.rooms, leases, lambda section, _rooms: BenchDriver(self.bench, section))
        self.inbox = Inbox(SITE, self.rooms, Executor(self.rooms, leases), self.fleet)
        self.fleet.on_settled = self.inbox.resume

    def apply(self, **codes: str) -> None:
        """Configure the printers of these serials with these access codes."""
        self.apply_sections(*(section(serial, code) for serial, code in codes.items()))

    def apply_sections(self, *sections: PrinterSection) -> None:
        self.fleet.apply(self.base.model_copy(update={"printers": sections}))

    def order(self, kind: str, serial: str | None, **more: object) -> str:
        """Hand in a command; its id."""
        command = self.cloud.order(kind, serial)
        self.inbox.receive({**self.cloud.commands[command], "fence": None, **more})
        return command

    def told(self, command: str) -> dict[str, object] | None:
        """The command's result, if it is there."""
        waiting = self.rooms.outbox.waiting(Kind.RESULT, 100)
        return next((dict(each.body) for each in waiting if each.name == command), None)

    def result(self, command: str, seconds: float = 10.0) -> tuple[object, object]:
        """How the command ended, and what was said of it."""
        until(lambda: self.told(command) is not None, seconds, f"the result of {command}")
        told = self.told(command) or {}
        return told["status"], told["message"]

    def had(self, command: str) -> list[str]:
        """The access codes of the drivers that had the command."""
        return [code for name, code in self.bench.performed if name == command]

    def close(self) -> None:
        self.rooms.stopping.set()
        self.fleet.stop()
        deadline = time.monotonic() + 3.0
        self.fleet.join(lambda: deadline - time.monotonic())
        self.inbox.join(lambda: deadline - time.monotonic())
        self.store.close()


def section(serial: str, code: str = "1", **more: str) -> PrinterSection:
    return PrinterSection(type="bench", serial=serial, address=f"{serial}.lan", access_code=code, **more)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[BenchSite]:
    with stand_in_cloud() as cloud:
        made = BenchSite(cloud, tmp_path)
        yield made
        made.close()


def test_exactly_the_printers_that_changed_are_made_anew(site: BenchSite) -> None:
    site.apply(A="1", B="1", C="1")
    before = {driver.serial: driver for driver in site.fleet.drivers()}
    site.apply(A="1", B="2", D="1")
    after = {driver.serial: driver for driver in site.fleet.drivers()}
    assert sorted(after) == ["A", "B", "D"]
    assert after["A"] is before["A"]
    assert after["B"] is not before["B"]
    assert [driver.serial for driver in site.bench.made] == ["A", "B", "C", "D", "B"]
    assert {driver.serial for driver in site.bench.made if driver.over.is_set()} == {"B", "C"}


def test_a_successor_begins_when_the_driver_before_it_has_said_goodbye(site: BenchSite) -> None:
    site.apply(A="1", B="1")
    site.bench.goodbye_seconds = 0.5
    began = time.monotonic()
    site.apply(A="2", B="2")
    assert 0.5 <= time.monotonic() - began < 0.9
    assert [len(site.bench.alive(serial)) for serial in "AB"] == [1, 1]


def test_a_printer_that_cannot_be_made_keeps_no_other_back(site: BenchSite) -> None:
    site.apply_sections(section("A", model="impossible"), section("B"))
    assert [driver.serial for driver in site.fleet.drivers()] == ["B"]
    site.apply_sections(section("A"), section("B"))
    assert [driver.serial for driver in site.fleet.drivers()] == ["B", "A"]


def test_what_was_under_way_goes_on_with_the_successor_and_is_not_sent_again(site: BenchSite) -> None:
    site.bench.act = patiently
    site.apply(A="1")
    command = site.order("set_temperature", "A")
    until(lambda: site.had(command) == ["1"])
    until(lambda: site.rooms.journal.unfinished()[0].stage == "published")
    site.apply(A="2")
    assert site.result(command) == ("completed", "read back")
    assert site.had(command) == ["1", "2"]


def test_what_waits_behind_a_replacement_is_done_in_order_by_the_successor(site: BenchSite) -> None:
    site.bench.act = patiently
    site.apply(A="1")
    first = site.order("home", "A")
    until(lambda: site.had(first) == ["1"])
    site.bench.act = at_once
    site.bench.goodbye_seconds = 0.5
    changing = threading.Thread(target=site.apply, kwargs={"A": "2"})
    second = site.order("light_on", "A")
    changing.start()
    until(lambda: not site.fleet.drivers())
    third = site.order("light_off", "A")
    assert site.told(third) is None
    changing.join(5)
    for command in (first, second, third):
        assert site.result(command) == ("completed", "2")
    assert [name for name, code in site.bench.performed if code == "2"] == [first, second, third]


def test_a_call_that_blocks_keeps_no_stop_waiting_and_is_not_run_twice_at_a_time(site: BenchSite) -> None:
    blocked, unblock = threading.Event(), threading.Event()

    def block(driver: BenchDriver, run: Run) -> Outcome:
        if run.command.kind == "stop" or driver.code == "2":
            return completed(driver.code)
        blocked.set()
        unblock.wait(20)
        run.check()
        return completed("with the old driver")

    site.bench.act = block
    site.apply(A="1")
    slow = site.order("home", "A")
    assert blocked.wait(5)
    site.apply(A="2")
    assert site.result(site.order("stop", "A")) == ("completed", "2")
    assert site.had(slow) == ["1"]
    assert site.told(slow) is None
    unblock.set()
    assert site.result(slow) == ("completed", "2")
    assert site.had(slow) == ["1", "2"]


def test_what_a_removed_printer_leaves_behind_is_said_to_have_none(site: BenchSite) -> None:
    site.bench.act = patiently
    site.apply(A="1", B="1")
    sent = site.order("set_temperature", "A")
    until(lambda: [each.stage for each in site.rooms.journal.unfinished()] == ["published"])
    waiting = site.order("home", "A")
    site.apply(B="1")
    status, message = site.result(waiting)
    assert (status, str(message).startswith("no printer with serial A")) == ("failed", True)
    status, message = site.result(sent)
    assert (status, "look at the printer" in str(message)) == ("unknown", True)
    assert site.had(waiting) == []


def test_a_command_for_a_printer_that_is_added_before_its_claim_goes_there(site: BenchSite) -> None:
    site.cloud.refuse("ack", 503, times=20)
    command = site.order("home", "A")
    until(lambda: ("ack", "") in {(name, "") for name, _ in site.cloud.traced})
    site.apply(A="1")
    assert site.result(command) == ("completed", "1")
    assert site.had(command) == ["1"]


def test_a_command_without_serial_finds_its_printer_where_that_is_now(site: BenchSite) -> None:
    site.apply(A="1", B="1")
    assert site.result(site.order("home", None, printerIpAddress="B.lan")) == ("completed", "1")
    site.fleet.drivers()[0].address = "elsewhere.lan"
    assert site.fleet.serial_at("elsewhere.lan") == "A"
    assert site.fleet.serial_at("A.lan") == "A"
    assert site.fleet.serial_at("nowhere.lan") is None
    assert site.fleet.serial_at("") is None


def test_a_command_for_an_address_that_one_printer_has_taken_from_another_reaches_neither(site: BenchSite) -> None:
    site.apply(A="1", B="2")
    site.fleet.drivers()[0].address = "B.lan"
    status, message = site.result(site.order("home", None, printerIpAddress="B.lan"))
    assert (status, str(message).startswith("no printer")) == ("failed", True)
    assert site.bench.performed == []


def test_what_goes_wrong_behind_one_replacement_keeps_no_other_printer_back(site: BenchSite) -> None:
    def settled(serial: str) -> None:
        if serial in ("A", "C"):
            raise RuntimeError(serial)
        site.inbox.resume(serial)

    site.apply(A="1", B="1")
    site.fleet.on_settled = settled
    site.apply(A="2", B="2", C="2", D="2")
    for serial in "ABCD":
        assert site.result(site.order("stop", serial)) == ("completed", "2")


def test_the_agents_end_in_the_middle_of_a_replacement_begins_no_successor(site: BenchSite) -> None:
    site.apply(A="1")
    site.bench.goodbye_seconds = 1.0
    changing = threading.Thread(target=site.apply, kwargs={"A": "2"})
    changing.start()
    until(lambda: not site.fleet.drivers())
    began = time.monotonic()
    site.rooms.stopping.set()
    site.fleet.stop()
    site.fleet.join(lambda: began + 2.5 - time.monotonic())
    changing.join(5)
    assert time.monotonic() - began < 3
    assert len(site.bench.made) == 2
    assert site.bench.alive("A") == []
