"""The agent with printers that do not hear, that act late, or that say what no printer should say."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from edge_agent.config import PrinterConfig, Timing
from edge_agent.drivers.bambu.ftps import upload
from edge_agent.drivers.bambu.session import Session
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_site import AgentSite, agent, logged, until
from tests.integration.stalled_line import StalledLine

by_poll = pytest.mark.parametrize("site", ["embedded"], indirect=True)


def configured(printer: SimulatedPrinter, ftps_port: int | None = None) -> PrinterConfig:
    return PrinterConfig(
        serial=printer.serial,
        address=printer.host,
        access_code=printer.access_code,
        mqtt_port=printer.mqtt_port,
        ftps_port=ftps_port or printer.ftps_port,
        ca_file=printer.ca_file,
    )


@by_poll
def test_a_stop_cures_a_session_whose_commands_are_ignored(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with agent(site.write_config([printer], tmp_path / "agent")):
        job = site.start(printer)
        site.saw(job, "job_started")
        printer.set_faults(ignore_commands=True)
        assert site.ended(site.queue("stop", printer)) == "completed"
        assert printer.inspect()["gcode_state"] == "FAILED"
        site.saw(job, "job_cancelled")


@by_poll
def test_a_cooldown_right_behind_a_heating_is_not_taken_for_done(site: AgentSite, tmp_path: Path) -> None:
    with Farm(["P1S"], speed=1, state_dir=tmp_path / "farm") as farm:
        (printer,) = farm.printers
        with agent(site.write_config([printer], tmp_path / "agent", home_settle=1.5, effect_timeout=12)):
            until(lambda: bool(site.states(printer)))
            heating = site.queue("set_temperature", printer, {"nozzleTemp": 220})
            until(lambda: printer.inspect()["nozzle_target"] == 220, 10)
            cooling = site.queue("cooldown", printer)
            assert site.ended(cooling) == "completed", site.message(cooling)
            site.ended(heating)
            assert printer.inspect()["nozzle_target"] == 0


@by_poll
def test_a_start_that_comes_through_after_its_stop_is_stopped_again(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with StalledLine(printer.host, printer.mqtt_port) as line:
        printer.mqtt_port = line.port
        config = site.write_config([printer], tmp_path / "agent")
        with agent(config):
            until(lambda: bool(site.states(printer)))
            ordered = site.order(printer)
            until(lambda: bool(logged(config, event="step_uploading")))
            line.stall()
            until(lambda: bool(logged(config, event="step_handed_over")))
            stop = site.queue("stop", printer)
            assert site.ended(stop) == "completed", site.message(stop)
            site.saw(ordered.job, "job_cancelled")
            assert printer.inspect()["starts"] == []
            line.release()
            until(lambda: bool(printer.inspect()["starts"]))
            until(lambda: printer.inspect()["gcode_state"] == "FAILED")  # by the held stop, or by another one


@by_poll
def test_a_start_that_never_showed_can_be_repeated(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    with agent(site.write_config([printer], tmp_path / "agent", start_timeout=5, ack_timeout=20)) as _:
        until(lambda: bool(site.states(printer)))
        printer.set_faults(ignore_commands=True)
        ordered = site.order(printer)
        assert site.ended(ordered.command) == "unknown", site.message(ordered.command)
        site.saw(ordered.job, "job_failed")
        printer.set_faults(ignore_commands=False)
        again = site.queue(
            "start_print",
            printer,
            {"fileName": "cube.gcode.3mf", "fileId": ordered.job, "unencryptedData": {"printJobId": ordered.job}},
        )
        assert site.ended(again) == "completed", site.message(again)
        assert len(printer.inspect()["starts"]) == 1


def test_printers_that_hang_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with Farm(["P1S"] * 4, speed=60, state_dir=tmp_path / "farm") as farm:
        stopping = threading.Event()
        sessions = [Session(configured(each), Timing(), time.monotonic, stopping) for each in farm.printers]
        for session in sessions:
            session.start()
        until(lambda: all(session.ready for session in sessions), 10)
        for printer in farm.printers:
            printer.set_faults(half_open=True)
        began = time.monotonic()
        stopping.set()
        for session in sessions:
            session.stop()
        for session in sessions:
            session.join(began + 2.5 - time.monotonic())
        assert time.monotonic() - began < 2.5


@contextmanager
def greeting(printer: SimulatedPrinter, certificate: Path, words: bytes) -> Iterator[int]:
    """An FTPS server that says this and closes; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((printer.host, 0)))

        def serve() -> None:
            with suppress(OSError):
                plain, _ = listener.accept()
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.sendall(words)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("words", [b"", b"421 too many connections\r\n", b"220 hello\r\n"])
def test_a_file_server_that_hangs_up_is_worth_another_attempt(
    printer: SimulatedPrinter, tmp_path: Path, words: bytes
) -> None:
    certificate = next(path for path in tmp_path.rglob("*.pem") if printer.serial in path.name)
    source = tmp_path / "file"
    source.write_bytes(b"x" * 1000)
    with greeting(printer, certificate, words) as port, pytest.raises(OSError, match=r"."):
        upload(configured(printer, port), source, "file.3mf", lambda _sent: None, 5.0)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"print":{"command":"push_status","msg":0,"mc_percent":1' + b"0" * 400 + b"}}",
        b'{"print":{"command":"push_status","msg":0,"x":' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"print":{"command":"push_status","msg":0,"hms":[{"attr":1e30,"code":NaN}]}}',
        b'{"print":{"command":"push_status","msg":0,"mc_percent":' + b"1" * 5000 + b"}}",
        b"\xff\xfe",
    ],
)
def test_nothing_that_a_printer_says_ends_its_thread(printer: SimulatedPrinter, payload: bytes) -> None:
    session = Session(configured(printer), Timing(), time.monotonic, threading.Event())
    session._receive(payload)
    session._receive(b'{"print":{"command":"push_status","msg":0,"gcode_state":"IDLE"}}')
    assert session.picture.gcode_state == "IDLE"
