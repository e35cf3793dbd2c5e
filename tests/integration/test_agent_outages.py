"""The cloud is out of reach, or somebody else answers in its place: what must stop stops, and nothing is lost."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.simulator.farm import SimulatedPrinter
from tests.integration.agent_site import LEASE_SECONDS, ROOT, AgentSite, agent, logged, until
from tests.integration.held_port import HeldPort

pytestmark = [pytest.mark.emulators, pytest.mark.timeout(90)]

Answer = tuple[int, bytes]
Rule = Callable[[str, dict[str, Any]], Answer | None]
"""What is answered in the cloud's place to a path and a JSON body; None: the cloud answers."""

PORTAL = (404, b"<html>please log in</html>")
BROKEN = (503, b"upstream is down")
BUG = (500, b'{"ok": false, "error_type": "InternalError", "message": "Internal error", "detail": ""}')
HEADERS = ("Content-Type", "X-API-Key", "X-Request-Id")


class Door(ThreadingHTTPServer):
    """Stands between the agent and its cloud."""

    rule: Rule | None = None

    def __init__(self, cloud: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.cloud = cloud
        self.pool = urllib3.PoolManager(retries=False, maxsize=10)

    def shut(self, answer: Answer = BROKEN) -> None:
        """Everything is answered like this."""
        self.rule = lambda _path, _body: answer

    def open(self) -> None:
        """The cloud answers."""
        self.rule = None


class _Passage(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        rule = self.server.rule
        answer = rule(self.path, json.loads(body or b"{}")) if rule is not None else None
        if answer is None:
            headers = {name: self.headers[name] for name in HEADERS if name in self.headers}
            response = self.server.pool.request(self.command, self.server.cloud + self.path, body=body, headers=headers)
            answer = response.status, response.data
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def door(site: AgentSite) -> Iterator[Door]:
    with Door(site.cloud.base_url) as door:
        threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
        yield door
        door.shutdown()


def configure(site: AgentSite, door: Door, printer: SimulatedPrinter, folder: Path, **options: Any) -> Path:
    """A configuration whose agent reaches the cloud through the door."""
    path = site.write_config([printer], folder / "agent", **options)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"backend_url": f"http://127.0.0.1:{door.server_port}"}))
    return path


def test_a_stop_ends_the_print_while_the_cloud_cannot_be_asked(
    site: AgentSite, door: Door, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with agent(configure(site, door, printer, tmp_path)):
        job = site.start(printer)
        site.saw(job, "job_started")
        door.shut()
        stop = site.queue("stop", printer)
        until(lambda: printer.inspect()["gcode_state"] in ("FAILED", "IDLE"), 10, "the printer stops")
        assert site.status(stop) != "completed"
        door.open()
        assert site.ended(stop) == "completed"
        site.saw(job, "job_cancelled")
        site.assert_ended_once(job, "job_cancelled")


def test_a_start_under_way_goes_no_further_once_a_stop_is_here(
    site: AgentSite, door: Door, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with HeldPort(printer.host, printer.ftps_port) as slow:
        config = configure(site, door, printer, tmp_path, ftps_port=slow.port)
        with agent(config):
            start = site.order(printer)
            assert slow.reached.wait(15)
            door.shut()
            stop = site.queue("stop", printer)
            until(lambda: bool(logged(config, event="command_received", commandId=stop)), 10, "the stop")
            slow.release()
            until(lambda: bool(logged(config, event="command_failed", commandId=start.command)), 15, "the start ends")
            assert printer.inspect()["starts"] == []
            door.open()
            assert site.ended(stop) == "completed"
            assert site.ended(start.command) == "failed"
            assert printer.inspect()["starts"] == []


def test_a_start_waits_for_its_lease_when_that_ran_out(
    site: AgentSite, door: Door, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with HeldPort(printer.host, printer.ftps_port) as slow:
        config = configure(site, door, printer, tmp_path, ftps_port=slow.port)
        with agent(config):
            start = site.order(printer)
            assert slow.reached.wait(15)
            door.shut()
            shut_at = time.monotonic()
            until(lambda: time.monotonic() - shut_at > LEASE_SECONDS, what="the lease has run out")
            slow.release()
            until(lambda: bool(logged(config, event="file_uploaded", commandId=start.command)), 15, "the upload")
            until(
                lambda: bool(logged(config, event="claim_waits", commandId=start.command)), 15, "the lease is asked for"
            )
            assert printer.inspect()["starts"] == []
            door.open()
            assert site.ended(start.command) == "completed"
            assert len(printer.inspect()["starts"]) == 1


@pytest.mark.parametrize("answer", [PORTAL, (302, b""), (200, b"<html>please log in</html>")])
def test_somebody_elses_answer_loses_nothing(
    site: AgentSite, door: Door, printer: SimulatedPrinter, tmp_path: Path, answer: Answer
) -> None:
    config = configure(site, door, printer, tmp_path)
    with agent(config):
        job = site.start(printer)
        door.rule = lambda path, _body: answer if path in ("/control/result", "/api/printer-events/report") else None
        pause = site.queue("pause", printer)
        until(lambda: bool(logged(config, event="command_completed", commandId=pause)), 15, "the pause")
        door.shut(answer)
        light = site.queue("light_off", printer)
        until(lambda: bool(logged(config, event="claim_waits", commandId=light)), 15, "the claim waits")
        door.open()
        assert [site.ended(command) for command in (pause, light)] == ["completed", "completed"]
        site.saw(job, "job_paused")
        assert site.kinds(job)[:2] == ["job_preparing", "job_started"]


def test_a_report_that_the_cloud_fails_on_keeps_no_other_back(
    site: AgentSite, door: Door, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    door.rule = lambda _path, body: BUG if body.get("eventType") == "job_preparing" else None
    config = configure(site, door, printer, tmp_path)
    with agent(config):
        job = site.start(printer)
        site.saw(job, "job_started", 30)
        assert len(logged(config, event="report_set_aside")) == 1
        door.open()
        site.saw(job, "job_preparing")


def test_an_outage_of_the_cloud_loses_no_report(
    site: AgentSite, door: Door, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    door.rule = lambda path, _body: BUG if path == "/api/printer-events/report" else None
    config = configure(site, door, printer, tmp_path)
    with agent(config):
        job = site.start(printer)
        until(lambda: bool(logged(config, event="report_set_aside")), 30, "the cloud has failed often")
        door.open()
        for kind in ("job_preparing", "job_started", "first_layer"):
            site.saw(job, kind, 30)


def test_the_agent_goes_on_when_nobody_reads_its_log(
    site: AgentSite, door: Door, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = configure(site, door, printer, tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_agent", "--config", str(config)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert site.ended(site.queue("light_off", printer)) == "completed"
    finally:
        process.terminate()
        process.wait(5)
