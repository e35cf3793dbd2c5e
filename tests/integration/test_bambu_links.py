"""The link to a Bambu printer that hears no more, has moved, or does not let us in; and what the operator is told."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.config import PrinterConfig, Timing
from edge_agent.drivers.bambu.commands import Request
from edge_agent.drivers.bambu.driver import BambuDriver
from edge_agent.drivers.bambu.session import Session
from edge_agent.execution import Rooms
from local.simulator.authority import Authority
from local.simulator.farm import Farm, SimulatedPrinter
from local.simulator.ssdp import Announcement, Announcer
from tests.integration.agent_site import AgentSite, agent, logged, until
from tests.printer_sections import configured
from tests.unit.agent.agent_rooms import events, rooms_in

TIMING = Timing(
    ack_timeout=2,
    connect_timeout=2,
    retry_first=0.05,
    retry_ceiling=0.3,
    offline_after=0.5,
    refused_retry=60,
    silence=1.5,
    reconnect_silence=3,
    zombie_probe=1,
    rediscover=0.5,
    hms_clear=0.5,
)
NOWHERE = "127.0.0.99"
"""An address of loopback at which nobody listens."""


@contextmanager
def driving(section: PrinterConfig, rooms: Rooms) -> Iterator[BambuDriver]:
    """A driver that runs, and is told of the time as the agent does."""
    driver = BambuDriver(section, rooms, threading.Event())
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(0.05):
            driver.tick()

    ticking = threading.Thread(target=tick)
    driver.start()
    ticking.start()
    try:
        yield driver
    finally:
        ended.set()
        ticking.join()
        driver.stop()
        driver.join(5)


@contextmanager
def session_of(printer: SimulatedPrinter, timing: Timing = TIMING) -> Iterator[Session]:
    stopping = threading.Event()
    session = Session(configured(printer), timing, time.monotonic, stopping)
    session.start()
    try:
        until(lambda: session.ready, 10)
        yield session
    finally:
        stopping.set()
        session.stop()
        session.join(5)


def asked(printer: SimulatedPrinter, command: str) -> int:
    """How often the printer was told this."""
    return sum(each["command"] == command for each in printer.inspect()["commands"])


def problems(rooms: Rooms) -> list[str]:
    """The reasons of the problems that were told, in order."""
    return [event["errorData"]["reason"] for event in events(rooms, "printer_problem")]


def cleared(rooms: Rooms) -> list[str]:
    """The reasons of those that were told to be over."""
    return [event["errorData"]["reason"] for event in events(rooms, "printer_problem_cleared")]


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["P1S"], state_dir=tmp_path / "farm", speed=60) as farm:
        yield farm.printers[0]


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    with rooms_in(tmp_path, TIMING) as made:
        yield made


# A session that is not heard.


def test_a_session_that_is_not_heard_is_noticed_and_made_anew(
    printer: SimulatedPrinter, capsys: pytest.CaptureFixture[str]
) -> None:
    with session_of(printer) as session:
        printer.set_faults(ignore_commands=True)
        before = session.full_frames
        until(lambda: session.full_frames > before and session.ready, 15)
        ticket = session.send(Request("info", "get_version", {}))
        assert session.wait(lambda: ticket.ack is not None, 5)
        assert session.trouble is None
    told = capsys.readouterr()
    assert "printer_zombie" in told.out + told.err


def test_an_unanswered_command_is_reason_enough_to_look(printer: SimulatedPrinter) -> None:
    with session_of(printer, TIMING.model_copy(update={"zombie_probe": 3600.0})) as session:
        printer.set_faults(ignore_commands=True)
        ticket = session.send(Request("info", "get_version", {}))
        until(lambda: ticket.link.ended, 10)
        until(lambda: session.ready, 10)


def test_a_printer_that_answers_keeps_its_connection_and_is_asked_rarely(printer: SimulatedPrinter) -> None:
    with session_of(printer) as session:
        ticket = session.send(Request("info", "get_version", {}))
        printer.set_faults(drop_acks=1)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 6, 10)
        assert not ticket.link.ended
        assert 3 <= asked(printer, "get_version") <= 9


def test_where_new_connections_do_not_help_the_operator_is_told(printer: SimulatedPrinter, rooms: Rooms) -> None:
    with driving(configured(printer), rooms) as driver:
        until(lambda: driver.status() is not None, 10)
        printer.set_faults(drop_acks=1_000_000)
        until(lambda: problems(rooms) == ["deaf"], 30)
        assert driver.problem is not None
        assert "switch it off and on" in driver.problem
        printer.set_faults(drop_acks=0)
        until(lambda: cleared(rooms) == ["deaf"], 30)
        assert driver.problem is None


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
@pytest.mark.parametrize("kind", ["light_off", "set_temperature"])
def test_a_command_comes_through_although_the_session_was_not_heard(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path, kind: str
) -> None:
    with agent(site.write_config([printer], tmp_path / "agent", effect_timeout=15)):
        until(lambda: bool(site.states(printer)))
        printer.set_faults(ignore_commands=True)
        command = site.queue(kind, printer, {"bedTemp": 50} if kind == "set_temperature" else None)
        assert site.ended(command) == "completed", site.message(command)
        shown = printer.inspect()
        assert shown["light"] == "off" or shown["bed_target"] == 50


# What is said to the operator.


def test_a_wrong_code_is_said_once_and_not_tried_all_the_time(printer: SimulatedPrinter, rooms: Rooms) -> None:
    with driving(configured(printer, access_code="00000000"), rooms) as driver:
        until(lambda: problems(rooms) == ["access_code_refused"], 10)
        assert driver.problem is not None
        assert "access code" in driver.problem
        assert "00000000" not in driver.problem
    with driving(configured(printer), rooms) as driver:
        until(lambda: cleared(rooms) == ["access_code_refused"], 10)
        assert driver.problem is None


def test_an_unreachable_printer_is_told_with_the_time_and_a_short_break_is_not(
    printer: SimulatedPrinter, rooms: Rooms
) -> None:
    with driving(configured(printer), rooms) as driver:
        until(lambda: driver.status() is not None, 10)
        printer.set_faults(drop_connection=True)
        until(lambda: printer.inspect()["clients"] == 1, 10)
        assert problems(rooms) == []
        printer.set_faults(half_open=True)
        until(lambda: problems(rooms)[-1:] == ["unreachable"], 20)
        assert driver.problem is not None
        assert " since 2" in driver.problem
        printer.set_faults(half_open=False)
        until(lambda: cleared(rooms) == ["unreachable"], 20)


def test_a_printer_that_does_not_report_is_told(printer: SimulatedPrinter, rooms: Rooms) -> None:
    with driving(configured(printer), rooms) as driver:
        until(lambda: driver.status() is not None, 10)
        printer.set_faults(silent=True)
        until(lambda: problems(rooms) == ["silent"], 15)
        printer.set_faults(silent=False)
        until(lambda: cleared(rooms) == ["silent"], 15)


def test_an_unknown_certificate_is_told_with_its_fingerprint(
    printer: SimulatedPrinter, rooms: Rooms, tmp_path: Path
) -> None:
    strange = Authority(tmp_path / "strange").ca_file
    with driving(configured(printer, ca_file=strange), rooms) as driver:
        until(lambda: problems(rooms) == ["wrong_certificate"], 10)
        fingerprint = events(rooms, "printer_problem")[0]["errorData"]["fingerprint"]
        assert driver.problem is not None
        assert fingerprint in driver.problem
    with driving(configured(printer, ca_file=strange, pinned_certificate=fingerprint), rooms):
        until(lambda: cleared(rooms) == ["wrong_certificate"], 10)


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
def test_the_operator_sees_it_in_the_cloud_once(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    def told(kind: str) -> list[str]:
        return [event["errorData"]["reason"] for event in site.events() if event["eventType"] == kind]

    config = site.write_config([printer], tmp_path / "agent")
    printer.set_faults(refuse_password=True)
    for _ in range(2):
        with agent(config):
            until(lambda: bool(logged(config, event="printer_refused")), 10)
            until(lambda: told("printer_problem") == ["access_code_refused"], 10)
        (config.parent / "agent.log").unlink()
    printer.set_faults(refuse_password=False)
    with agent(config):
        until(lambda: told("printer_problem_cleared") == ["access_code_refused"], 10)
    assert told("printer_problem") == ["access_code_refused"]


def test_a_missing_ca_file_is_told(printer: SimulatedPrinter, rooms: Rooms, tmp_path: Path) -> None:
    with driving(configured(printer, ca_file=tmp_path / "none.pem"), rooms):
        until(lambda: problems(rooms) == ["ca_file_unusable"], 10)


@pytest.mark.parametrize("model", ["P1S", "X1C"])
def test_developer_mode_is_missed_by_the_hint_or_by_the_refusal(tmp_path: Path, rooms: Rooms, model: str) -> None:
    with Farm([model], state_dir=tmp_path / "other", speed=60) as farm:
        (printer,) = farm.printers
        printer.set_faults(developer_mode=False)
        with driving(configured(printer), rooms) as driver:
            until(lambda: driver.status() is not None, 10)
            if not driver._session.needs_developer_mode:
                driver._session.send(Request("print", "pause", {"param": ""}))
            until(lambda: problems(rooms) == ["developer_mode_off"], 10)
            assert driver.problem is not None
            assert "Developer Mode" in driver.problem
            printer.set_faults(developer_mode=True, drop_connection=True)
            until(lambda: cleared(rooms) == ["developer_mode_off"], 10)


def test_a_printer_that_obeys_is_believed_more_than_its_hint(tmp_path: Path) -> None:
    with Farm(["X1C"], state_dir=tmp_path / "other", speed=60) as farm, session_of(farm.printers[0]) as session:
        assert not session.needs_developer_mode
        ticket = session.send(Request("print", "print_speed", {"param": "2"}))
        assert session.wait(lambda: ticket.ack is not None, 5)
        farm.printers[0].set_hms([(0x05000500, 0x00010007)])
        assert session.wait(lambda: session.picture.refuses_unsigned, 5)
        assert not session.needs_developer_mode


# A printer that has moved.


@pytest.fixture
def ports() -> tuple[int, int]:
    found = []
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
            each.bind(("127.0.0.1", 0))
            found.append(each.getsockname()[1])
    return found[0], found[1]


@pytest.fixture
def announcer(ports: tuple[int, int]) -> Iterator[Announcer]:
    made = Announcer(ports)
    made.begin()
    yield made
    made.close()


def test_a_printer_that_has_moved_is_found_and_stays_found(
    printer: SimulatedPrinter, announcer: Announcer, ports: tuple[int, int], tmp_path: Path
) -> None:
    section = configured(printer, address=NOWHERE)
    with rooms_in(tmp_path, TIMING, ssdp_ports=ports) as rooms:
        with driving(section, rooms) as driver:
            until(lambda: problems(rooms) == ["unreachable"], 10)
            assert driver.address == NOWHERE
            announcer.announce(Announcement(printer.serial, printer.host, "P1S"))
            until(lambda: cleared(rooms) == ["unreachable"], 15)
            assert driver.address == printer.host
            assert events(rooms, "printer_problem_cleared")[0]["printerIpAddress"] == printer.host
            driver.storage.files(10, lambda: None)
            driver.test_connection(lambda: None)
        with driving(section, rooms) as driver:
            assert driver.address == printer.host
            until(lambda: driver.status() is not None, 10)
        with driving(configured(printer, address="127.0.0.98"), rooms) as driver:
            assert driver.address == "127.0.0.98", "the configuration was changed since"


def test_a_printer_that_moves_back_is_found_where_the_configuration_has_it(
    printer: SimulatedPrinter, announcer: Announcer, ports: tuple[int, int], tmp_path: Path
) -> None:
    with rooms_in(tmp_path, TIMING, ssdp_ports=ports) as rooms:
        rooms.store.execute(
            "INSERT INTO meta VALUES (?, ?)",
            (f"address:{printer.serial}", f'{{"configured": "{printer.host}", "found": "{NOWHERE}"}}'),
        )
        with driving(configured(printer), rooms) as driver:
            until(lambda: driver.status() is not None and driver.address == printer.host, 15)


def test_an_impostor_learns_no_code_and_is_not_followed(
    announcer: Announcer, ports: tuple[int, int], tmp_path: Path
) -> None:
    """Somebody says that the printer is where another one is."""
    with Farm(["P1S", "P1S"], state_dir=tmp_path / "farm", speed=60) as farm:
        real, other = farm.printers
        section = configured(real, address=NOWHERE, mqtt_port=other.mqtt_port)
        with rooms_in(tmp_path, TIMING, ssdp_ports=ports) as rooms, driving(section, rooms) as driver:
            announcer.announce(Announcement(real.serial, other.host, "P1S"))
            until(lambda: "wrong_serial" in problems(rooms), 15)
            assert driver.address == NOWHERE
            assert other.inspect()["commands"] == []
            assert other.inspect()["clients"] == 0


def test_another_printer_at_the_old_address_is_no_obstacle(
    announcer: Announcer, ports: tuple[int, int], tmp_path: Path
) -> None:
    """The router has given the address to another printer, and a new one to ours."""
    with Farm(["P1S", "P1S"], state_dir=tmp_path / "farm", speed=60, standard_ports=False) as farm:
        ours, other = farm.printers
        with forwarding(NOWHERE, ours.mqtt_port, other):
            section = configured(ours, address=NOWHERE)
            with rooms_in(tmp_path, TIMING, ssdp_ports=ports) as rooms, driving(section, rooms) as driver:
                until(lambda: problems(rooms) == ["wrong_serial"], 10)
                assert driver.problem is not None
                assert other.serial in driver.problem
                announcer.announce(Announcement(ours.serial, ours.host, "P1S"))
                until(lambda: cleared(rooms) == ["wrong_serial"], 15)
                assert driver.address == ours.host


@contextmanager
def forwarding(host: str, port: int, target: SimulatedPrinter) -> Iterator[None]:
    """What listens there is the target's broker."""
    ended = threading.Event()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while block := source.recv(65536):
                sink.sendall(block)
        except OSError:
            pass
        finally:
            for each in (source, sink):
                each.close()

    def serve(listener: socket.socket) -> None:
        while not ended.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                continue
            far = socket.create_connection((target.host, target.mqtt_port))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    with socket.create_server((host, port)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def test_it_ends_at_once_whatever_it_waits_for(printer: SimulatedPrinter, rooms: Rooms) -> None:
    waits: list[Callable[[], PrinterConfig]] = [
        lambda: configured(printer, access_code="00000000"),
        lambda: configured(printer, address=NOWHERE),
        lambda: configured(printer),
    ]
    for section in waits:
        driver = BambuDriver(section(), replace(rooms, timing=Timing()), threading.Event())
        driver.stop()
        driver.join(1)
        driver = BambuDriver(section(), replace(rooms, timing=Timing()), threading.Event())
        driver.start()
        until(lambda driver=driver: driver._session.trouble is not None or driver._session.ready, 10)  # type: ignore[misc]
        began = time.monotonic()
        driver.stop()
        driver.join(5)
        assert time.monotonic() - began < 2
    until(lambda: printer.inspect()["clients"] == 0, 2)
