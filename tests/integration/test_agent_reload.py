"""The configuration file changes while the agent runs: what changed takes effect, and nothing else notices."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.counts import count
from tests.integration.agent_process import AgentProcess
from tests.integration.agent_site import TIMING, agent, logged, until
from tests.printer_sections import section
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

TIMES = TIMING | {"reload": 0.2, "pull_wait": 0.5, "heartbeat": 0.5}
PRINT = make_3mf("cube", layers=60, seconds=20000)


class File:
    """An agent's configuration file, changed as an editor does it."""

    def __init__(self, cloud: StandInCloud, folder: Path, *printers: SimulatedPrinter) -> None:
        folder.mkdir(parents=True)
        self.path = folder / "config.json"
        self.content: dict[str, Any] = {
            "backend_url": cloud.url,
            "api_key": "first-key",
            "recipient_id": SITE,
            "state_dir": str(folder / "state"),
            "timing": TIMES,
            "printers": [section(printer) for printer in printers],
        }
        self.write(json.dumps(self.content))

    def change(self, **fields: Any) -> None:
        """Give these fields other values."""
        self.content |= fields
        self.write(json.dumps(self.content))

    def write(self, text: str, mode: int = 0o600) -> None:
        """Put the text in the file's place, at once."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(mode)
        os.replace(fresh, self.path)

    def logged(self, event: str, **wanted: object) -> list[dict[str, Any]]:
        """The agent's log lines of this event."""
        return logged(self.path, event=event, **wanted)

    def saw(self, event: str, number: int = 1) -> None:
        """Wait for so many log lines of the event."""
        until(lambda: len(self.logged(event)) >= number, 10, f"{number} × {event}")

    def connections(self, printer: SimulatedPrinter) -> int:
        """How often the agent has connected to the printer."""
        return len(self.logged("printer_connected", printerSerial=printer.serial))


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        yield made


@pytest.fixture
def pair(farm: Farm) -> tuple[SimulatedPrinter, SimulatedPrinter]:
    first, second = farm.printers
    return first, second


def is_connected(printer: SimulatedPrinter) -> bool:
    return bool(printer.inspect()["clients"] == 1)


def works(cloud: StandInCloud, printer: SimulatedPrinter) -> None:
    """The printer's light can be switched."""
    for kind in ("light_off", "light_on"):
        told = cloud.result(cloud.order(kind, printer.serial))
        assert told["status"] == "completed", told


def test_a_printer_is_added_and_another_removed_and_the_rest_keeps_its_connection(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path
) -> None:
    first, second = pair
    file = File(cloud, tmp_path / "agent", first)
    with agent(file.path):
        works(cloud, first)
        early = cloud.order("light_off", second.serial)
        assert "no printer with serial" in cloud.result(early)["errorMessage"]
        file.change(printers=[section(first), section(second)])
        until(lambda: is_connected(second))
        works(cloud, second)
        works(cloud, first)
        assert file.connections(first) == 1
        file.change(printers=[section(second)])
        until(lambda: first.inspect()["clients"] == 0)
        until(lambda: file.logged("printer_removed", printerSerial=first.serial) != [])
        late = cloud.result(cloud.order("light_off", first.serial))
        assert late["status"] == "failed"
        assert first.serial in late["errorMessage"]
        works(cloud, second)
        assert [file.connections(printer) for printer in pair] == [1, 1]
        assert file.logged("config_reloaded", fields=["printers"]) != []


def test_a_mended_access_code_connects_that_printer_alone(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path
) -> None:
    first, second = pair
    file = File(cloud, tmp_path / "agent", first, second)
    file.change(
        printers=[section(first), section(second, access_code="00000000")], timing=TIMES | {"refused_retry": 600}
    )
    with agent(file.path):
        works(cloud, first)
        file.saw("printer_refused")
        waiting = cloud.order("light_off", second.serial)
        file.change(printers=[section(first), section(second)])
        assert cloud.result(waiting)["status"] == "completed"
        works(cloud, first)
        assert [file.connections(printer) for printer in pair] == [1, 1]
        assert file.logged("printer_replaced", printerSerial=first.serial) == []


BREAKS: dict[str, tuple[Callable[[File], None], str]] = {
    "not JSON": (lambda file: file.write("{"), "not valid JSON"),
    "open to others": (lambda file: file.write(json.dumps(file.content), 0o644), "chmod 600"),
    "wrong field": (lambda file: file.change(backend_url="ftp://nowhere"), "backend_url"),
    "wrong printer": (lambda file: file.change(printers=[{"serial": "X"}]), "printers.0.address"),
    "missing": (lambda file: file.path.unlink(), "does not exist"),
}


@pytest.mark.parametrize("change", BREAKS)
def test_a_file_that_is_not_valid_is_told_once_and_changes_nothing(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path, change: str
) -> None:
    first, second = pair
    file = File(cloud, tmp_path / "agent", first)
    good = dict(file.content)
    with agent(file.path):
        works(cloud, first)
        broken, reason = BREAKS[change]
        broken(file)
        file.saw("config_invalid")
        works(cloud, first)
        works(cloud, first)
        assert [reason in line["reason"] for line in file.logged("config_invalid")] == [True]
        assert "first-key" not in (file.path.parent / "agent.log").read_text()
        file.content = good
        file.change(printers=[section(first), section(second)])
        until(lambda: [file.connections(printer) for printer in pair] == [1, 1])


def test_a_new_key_and_a_new_address_are_used_from_the_next_call_on(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path
) -> None:
    file = File(cloud, tmp_path / "agent", pair[0])
    with agent(file.path), stand_in_cloud() as other:
        works(cloud, pair[0])
        assert set(cloud.keys) == {"first-key"}
        file.change(api_key="second-key")
        until(lambda: "second-key" in cloud.keys)
        file.saw("config_reloaded")
        cloud.keys.clear()
        works(cloud, pair[0])
        assert set(cloud.keys) == {"second-key"}
        file.change(backend_url=other.url)
        works(other, pair[0])
        assert set(other.keys) == {"second-key"}
        assert file.connections(pair[0]) == 1


def test_another_identity_waits_for_the_next_start(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path
) -> None:
    first, second = pair
    file = File(cloud, tmp_path / "agent", first)
    with agent(file.path):
        works(cloud, first)
        file.change(recipient_id="site-2", api_key="key-of-site-2", printers=[section(second)])
        file.saw("config_needs_restart")
        works(cloud, first)
        assert set(cloud.keys) == {"first-key"}
        assert second.inspect()["clients"] == 0


def test_a_hangup_has_the_file_read_at_once(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path
) -> None:
    file = File(cloud, tmp_path / "agent", pair[0])
    file.change(timing=TIMES | {"reload": 600})
    with agent(file.path) as process:
        works(cloud, pair[0])
        process.send_signal(signal.SIGHUP)
        file.saw("config_unchanged")
        file.change(printers=[section(printer) for printer in pair])
        process.send_signal(signal.SIGHUP)
        until(lambda: is_connected(pair[1]))
        assert _seconds_to_end(process) < 3


def _seconds_to_end(process: AgentProcess) -> float:
    began = time.monotonic()
    process.terminate()
    assert process.wait(5) == 0
    return time.monotonic() - began


@pytest.mark.parametrize("seed", range(count(40, quick=3)))
def test_a_start_in_the_middle_of_which_its_printer_is_replaced_is_sent_once(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    printer = pair[0]
    file = File(cloud, tmp_path / "agent", printer)
    file.change(timing=TIMES | {"reload": 0.05})
    cloud.files["f"] = PRINT
    with agent(file.path):
        works(cloud, printer)
        for number in range(1, 5):
            file.change(printers=[section(printer, name=f"number {number}")])
            time.sleep(chance.uniform(0.05, 0.25))
            start = cloud.order("start_print", printer.serial, fileName="cube.gcode.3mf", fileId="f", printJobId="job")
            assert cloud.result(start)["status"] == "completed", cloud.result(start)
            assert len(printer.inspect()["starts"]) == number
            file.saw("printer_replaced", number)
            assert cloud.result(cloud.order("stop", printer.serial))["status"] == "completed"
            until(lambda: printer.inspect()["gcode_state"] not in ("PREPARE", "RUNNING", "PAUSE"))
        assert len(printer.inspect()["starts"]) == 4


def test_a_print_in_the_middle_of_which_its_printer_is_replaced_begins_and_ends_once(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path
) -> None:
    printer = pair[0]
    file = File(cloud, tmp_path / "agent", printer)
    cloud.files["f"] = make_3mf("cube", layers=20, seconds=1200)

    def kinds() -> list[str]:
        return [each["eventType"] for each in cloud.events if each["eventType"].startswith("job_")]

    with agent(file.path):
        start = cloud.order("start_print", printer.serial, fileName="cube.gcode.3mf", fileId="f", printJobId="job")
        assert cloud.result(start)["status"] == "completed", cloud.result(start)
        until(lambda: "job_started" in kinds())
        for number in range(1, 4):
            file.change(printers=[section(printer, name=f"number {number}")])
            file.saw("printer_replaced", number)
            until(lambda: is_connected(printer))
        until(lambda: "job_completed" in kinds(), 30)
        assert kinds() == ["job_preparing", "job_started", "job_completed"]
        assert {each.get("printJobId") for each in cloud.events} == {"job"}


class _PubSub(ThreadingHTTPServer):
    """Has no messages, and remembers what is pulled."""

    daemon_threads = True
    pulled: list[str]


class _Subscription(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert isinstance(self.server, _PubSub)
        self.server.pulled.append(self.path.rsplit("/", 1)[-1].partition(":")[0])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def _pubsub() -> Iterator[_PubSub]:
    with _PubSub(("127.0.0.1", 0), _Subscription) as server:
        server.pulled = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_subscriptions_are_left_and_begun_as_the_file_says(
    cloud: StandInCloud, pair: tuple[SimulatedPrinter, SimulatedPrinter], tmp_path: Path
) -> None:
    file = File(cloud, tmp_path / "agent", pair[0])
    with agent(file.path), _pubsub() as server:

        def subscribe(name: str) -> dict[str, str]:
            return {
                "project": "demo",
                "endpoint": f"http://127.0.0.1:{server.server_port}",
                "subscription_normal": f"{name}-normal",
                "subscription_priority": f"{name}-priority",
            }

        def pulls(*wanted: str) -> None:
            server.pulled.clear()
            until(lambda: {*wanted} <= {*server.pulled})

        works(cloud, pair[0])
        file.change(pubsub=subscribe("one"))
        pulls("one-normal", "one-priority")
        file.change(pubsub=subscribe("two"))
        pulls("two-normal", "two-priority")
        until(lambda: len(file.logged("config_reloaded")) == 2)
        pulls("two-normal", "two-priority")
        assert {*server.pulled} == {"two-normal", "two-priority"}
        file.change(pubsub=None, timing=TIMES | {"reconcile": 600})
        until(lambda: len(file.logged("config_reloaded")) == 3)
        works(cloud, pair[0])
        assert file.connections(pair[0]) == 1
