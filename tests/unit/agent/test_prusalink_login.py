"""PrusaLink's two ways in, and what is told of a printer that does not let us in, is another one, or is not there."""

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import PrusaLinkConfig, Timing
from edge_agent.drivers.base import LineBroken, StorageFailed
from edge_agent.drivers.polled.device import Sending, Unseen
from edge_agent.drivers.polled.driver import PolledDriver
from edge_agent.drivers.polled.line import SHUT_OUT
from edge_agent.drivers.prusalink import device
from edge_agent.drivers.prusalink.digest import Digest
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.probe import require_serial
from edge_agent.drivers.prusalink.storage import PrusaStorage
from edge_agent.execution import Rooms
from local.simulator.farm import Farm
from local.simulator.prusa_printer import SimulatedPrusa
from tests.integration.agent_site import until
from tests.printer_sections import section
from tests.unit.agent.agent_rooms import events, rooms_in

TIMING = Timing(ack_timeout=1, connect_timeout=2, ftps_reply=2, poll=0.05, offline_after=0.4, refused_retry=60)
CONTENT = b"G1 X1 Y1 E1\n" * 30_000
NONCE = 'Digest realm="Printer API", nonce="{}", stale=false'


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrusa]:
    with Farm(["CoreOne"], state_dir=tmp_path / "farm") as farm:
        yield farm.prusas[0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def ignore(_sent: int) -> None:
    """Nobody looks at the progress."""


def by_digest(printer: SimulatedPrusa, key: str | None = None) -> Line:
    return Line(printer.host, printer.http_port, key or printer.access_code, TIMING, "maker")


def test_a_digest_lets_us_in_and_an_old_nonce_is_renewed(printer: SimulatedPrusa) -> None:
    line = by_digest(printer)
    for _ in range(3):
        assert line.get("/api/v1/info").content["serial"] == printer.serial
        assert line.ask("POST", "/api/v1/files/usb/none with spaces.gcode").status == 404
        printer.doorkeeper.expire()


def test_a_digest_carries_files_whatever_became_of_the_nonce(printer: SimulatedPrusa, source: Path) -> None:
    storage = PrusaStorage(by_digest(printer))
    assert storage.send(source, "tall vase.gcode", ignore).size == len(CONTENT)
    printer.doorkeeper.expire()
    with pytest.raises(LineBroken):
        storage.send(source, "tall vase.gcode", ignore)
    assert storage.send(source, "tall vase.gcode", ignore).size == len(CONTENT)
    with storage.read("/usb/tall vase.gcode", 0) as reading:
        assert b"".join(reading.blocks) == CONTENT


def test_a_wrong_password_is_refused_in_both_ways(printer: SimulatedPrusa, source: Path) -> None:
    for username in ("maker", None):
        line = Line(printer.host, printer.http_port, "wrong", TIMING, username)
        with pytest.raises(Unseen) as refused:
            line.reach("/api/v1/info")
        assert refused.value.reason == "access_code_refused"
        with pytest.raises(StorageFailed, match="access code"):
            PrusaStorage(line).send(source, "a.gcode", ignore)


def test_the_password_stays_here() -> None:
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(
                    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n"
                    b"WWW-Authenticate: " + NONCE.format("abc").encode() + b"\r\n\r\n"
                )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        line = Line("127.0.0.1", listener.getsockname()[1], "12345678", TIMING, "maker")
        assert line.get("/api/v1/info").status in SHUT_OUT
    assert len(heard) == 2
    assert all(b"12345678" not in each for each in heard)
    assert b'username="maker"' in heard[1]


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Whoever listens at the printer's address: the port, and what is heard there."""
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,), daemon=True)
        serving.start()
        yield listener.getsockname()[1], heard
        serving.join(5)


def test_the_key_follows_no_redirection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        there = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/".encode()
        moved = b"HTTP/1.1 307 Moved\r\nLocation: " + there + b"\r\nContent-Length: 0\r\n\r\n"
        with answering(moved, moved) as (port, _):
            for username in ("maker", None):
                assert Line("127.0.0.1", port, "12345678", TIMING, username).get("/api/v1/info").status == 307
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_an_answer_is_neither_unpacked_nor_passed_on_in_full() -> None:
    packed = gzip.compress(b'{"message": "' + b"x" * 50_000_000 + b'"}')
    head = b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n"
    plain = b'{"message": "' + b"x" * 1_000_000 + b'"}'
    bomb = head % len(packed) + b"Content-Encoding: gzip\r\n\r\n" + packed
    long = head % len(plain) + b"\r\n" + plain
    with answering(bomb, long, long) as (port, _):
        line = Line("127.0.0.1", port, "12345678", TIMING)
        assert line.get("/api/v1/info").content is None
        assert line.get("/api/v1/info").content is None
        assert len(line.get("/api/v1/info", most=2_000_000).complaint) < 400


def test_a_refusal_that_breaks_off_is_a_refusal() -> None:
    with answering(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\n{") as (port, _):
        reply = Line("127.0.0.1", port, "12345678", TIMING).order("DELETE", "/api/v1/job/7")
    assert reply.sending is Sending.SHUT_OUT


def test_another_printers_name_is_told_in_short() -> None:
    with pytest.raises(Unseen) as wrong:
        require_serial("10589-37", "x" * 100_000)
    assert len(str(wrong.value)) < 200


def test_a_password_may_have_letters_that_http_does_not() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with answering(good) as (port, heard):
        assert Line("127.0.0.1", port, "10 \u20ac", TIMING).get("/api/v1/info").is_good
    assert "X-Api-Key: 10 \u20ac".encode() in heard[0]


def test_the_response_is_that_of_the_standard() -> None:
    digest = Digest("Mufasa", "Circle Of Life", lambda: 0.0)
    assert digest.authorization("GET", "/") is None
    assert digest.take('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5c"')
    header = digest.authorization("GET", "/dir/index.html")
    assert header is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header


@pytest.mark.parametrize(
    "header",
    [
        "",
        'Basic realm="Printer API"',
        "Digest",
        'Digest realm="x"',
        'Digest realm=, nonce="y"',
        "Digest realm",
        'Digest nonce="x"',
        'Digest realm="x", nonce="y", algorithm=SHA-256',
        'Digest realm="x", nonce="y", qop="auth"',
        'Digest realm="a\nb", nonce="y"',
    ],
)
def test_what_is_no_challenge_of_prusalink_is_not_answered(header: str) -> None:
    digest = Digest("maker", "12345678", lambda: 0.0)
    assert not digest.take(header)
    assert digest.authorization("GET", "/") is None


@contextmanager
def driving(printer: SimulatedPrusa, rooms: Rooms, **changes: Any) -> Iterator[PolledDriver]:
    """A driver that runs, and is told of the time as the agent does."""
    config = PrusaLinkConfig.model_validate(section(printer, **changes))
    driver = device.driver(config, rooms, threading.Event())
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


def problems(rooms: Rooms, kind: str = "printer_problem") -> list[str]:
    return [event["errorData"]["reason"] for event in events(rooms, kind)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"access_code": "wrong"}, "access_code_refused"), ({"serial": "another"}, "wrong_serial")],
)
def test_a_refusal_is_told_once_and_is_over_with_the_right_configuration(
    printer: SimulatedPrusa, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with rooms_in(tmp_path, TIMING) as rooms:
        with driving(printer, rooms, **changes) as driver:
            until(lambda: problems(rooms) == [reason], 5)
            assert driver.problem is not None
            assert ("its screen shows the right one" in driver.problem) == (reason == "access_code_refused")
        if "serial" not in changes:
            with driving(printer, rooms, username="maker") as driver:
                until(lambda: problems(rooms, "printer_problem_cleared") == [reason], 5)
                assert driver.problem is None


def test_a_printer_that_goes_and_comes_back_is_told(printer: SimulatedPrusa, tmp_path: Path) -> None:
    with rooms_in(tmp_path, TIMING) as rooms, driving(printer, rooms) as driver:
        until(lambda: driver.status() is not None, 5)
        assert not driver.problem
        printer.set_faults(unreachable=True)
        until(lambda: problems(rooms) == ["unreachable"], 5)
        assert driver.problem is not None
        assert " since 2" in driver.problem
        printer.set_faults(unreachable=False)
        until(lambda: problems(rooms, "printer_problem_cleared") == ["unreachable"], 5)


def test_an_upload_shows_in_the_status(printer: SimulatedPrusa, source: Path, tmp_path: Path) -> None:
    gate, moving = threading.Event(), threading.Event()

    def held(sent: int) -> None:
        if sent >= len(CONTENT) // 2:
            moving.set()
            gate.wait(10)

    with rooms_in(tmp_path, TIMING) as rooms, driving(printer, rooms) as driver:
        until(lambda: driver.status() is not None, 5)
        sending = threading.Thread(target=lambda: driver.storage.send(source, "a.gcode", held))
        sending.start()
        try:
            assert moving.wait(5)

            def progress() -> Any:
                report = driver.status()
                return report.numbers.get("transferProgress") if report is not None else None

            until(lambda: progress() is not None and 20 < progress() < 90, 5)
        finally:
            gate.set()
            sending.join()
        until(lambda: progress() is None, 5)
