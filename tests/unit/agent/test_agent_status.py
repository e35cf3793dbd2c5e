"""The printers' status on its way to the cloud: all in one call, and none kept back by another."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cloud import Cloud
from edge_agent.config import AgentConfig, Timing
from edge_agent.delivery import Delivery
from edge_agent.drivers.base import StatusReport
from edge_agent.execution import Rooms
from edge_agent.files import FileCache
from edge_agent.journal import Journal
from edge_agent.outbox import Kind, Outbox
from edge_agent.reporters.status import StatusReporter
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock
from tests.integration.agent_site import until

Printers = list[dict[str, Any]]
Rule = Callable[[Printers], tuple[int, Any]]


def taken(printers: Printers) -> tuple[int, Any]:
    """The cloud takes every report."""
    return 200, {"ok": True, "results": [_result(each) for each in printers]}


def _result(printer: dict[str, Any], kind: str | None = None) -> dict[str, Any]:
    error = {"error_type": kind, "message": "no"} if kind else None
    return {"printerSerial": printer["printerSerial"], "statusUpdateId": None if kind else "p-1", "error": error}


class FakeCloud(ThreadingHTTPServer):
    """Takes batches of status reports by a rule, and remembers them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rule: Rule = taken
        self.calls: list[list[str]] = []
        self.stored: dict[str, Any] = {}

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        assert (path, body["recipientId"]) == ("/api/printer-status/batch", "site-1")
        printers = body["printers"]
        self.calls.append([each["printerSerial"] for each in printers])
        status, answer = self.rule(printers)
        if status == 200 and isinstance(answer, dict):
            for printer, result in zip(printers, answer.get("results", []), strict=False):
                if result["error"] is None:
                    self.stored[printer["printerSerial"]] = printer["status"]
        return status, answer


class _Handler(BaseHTTPRequestHandler):
    server: FakeCloud

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.answer(self.path, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    with FakeCloud() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def rooms(cloud: FakeCloud, tmp_path: Path) -> Iterator[Rooms]:
    store, clock = Store(tmp_path / "agent.db"), Clock()
    journal = Journal(store, clock)
    timing = Timing(http_timeout=5, retry_first=0.01, retry_ceiling=0.2, status_printing=15, status_idle=300)
    url = f"http://127.0.0.1:{cloud.server_port}"
    config = AgentConfig(backend_url=url, api_key="k", recipient_id="site-1", timing=timing)
    yield Rooms(
        store=store,
        journal=journal,
        outbox=Outbox(store, clock),
        cloud=Cloud(config, journal.agent_id),
        files=FileCache(tmp_path / "files"),
        timing=timing,
        clock=clock,
        server_time=ServerTime(clock),
        observe=silent,
        stopping=threading.Event(),
        reports_waiting=threading.Event(),
    )
    store.close()


@contextmanager
def delivering(rooms: Rooms) -> Iterator[None]:
    """The delivery's thread, for as long as the block lasts."""
    thread = threading.Thread(target=Delivery(rooms).loop)
    thread.start()
    try:
        yield
    finally:
        rooms.stopping.set()
        rooms.reports_waiting.set()
        thread.join(10)


def put(rooms: Rooms, *serials: str, **status: Any) -> None:
    """All at once, so that the delivery sees all or none."""
    with rooms.store.transaction():
        for serial in serials:
            rooms.outbox.replace(Kind.STATUS, serial, {"printerSerial": serial, "status": status})


def waiting(rooms: Rooms) -> list[str]:
    return [report.name for report in rooms.outbox.waiting(Kind.STATUS, 100)]


def test_all_printers_go_in_one_call_each_with_its_newest(rooms: Rooms, cloud: FakeCloud) -> None:
    put(rooms, "A", "B", "C", n=1)
    put(rooms, "A", n=2)
    with delivering(rooms):
        until(lambda: waiting(rooms) == [])
    assert cloud.calls == [["B", "C", "A"]]
    assert cloud.stored == {"A": {"n": 2}, "B": {"n": 1}, "C": {"n": 1}}


def test_one_printers_refusal_is_its_own(rooms: Rooms, cloud: FakeCloud) -> None:
    cloud.rule = lambda printers: (
        200,
        {"results": [_result(each, "ConflictError" if each["printerSerial"] == "B" else None) for each in printers]},
    )
    put(rooms, "A", "B", "C")
    with delivering(rooms):
        until(lambda: waiting(rooms) == [])
    assert cloud.calls == [["A", "B", "C"]]
    assert cloud.stored.keys() == {"A", "C"}


def test_what_may_pass_waits_for_its_turn(rooms: Rooms, cloud: FakeCloud) -> None:
    busy = ["UnavailableError", None]

    def rule(printers: Printers) -> tuple[int, Any]:
        kind = busy.pop(0) if busy else None
        return 200, {"results": [_result(each, kind if each["printerSerial"] == "A" else None) for each in printers]}

    cloud.rule = rule
    put(rooms, "A", "B")
    with delivering(rooms):
        until(lambda: waiting(rooms) == [])
    assert cloud.calls == [["A", "B"], ["A"]]


def test_a_report_that_spoils_the_call_is_dropped_alone(rooms: Rooms, cloud: FakeCloud) -> None:
    refusal = {"ok": False, "error_type": "ValidationError", "message": "printers.1.status", "detail": "status"}
    cloud.rule = lambda printers: (
        (400, refusal) if any(x["printerSerial"] == "B" for x in printers) else taken(printers)
    )
    put(rooms, "A", "B", "C")
    with delivering(rooms):
        until(lambda: waiting(rooms) == [])
    assert cloud.calls == [["A", "B", "C"], ["A"], ["B"], ["C"]]
    assert cloud.stored.keys() == {"A", "C"}


def test_a_report_that_the_cloud_fails_on_keeps_no_other_back(rooms: Rooms, cloud: FakeCloud) -> None:
    bug = {"ok": False, "error_type": "InternalError", "message": "Internal error", "detail": ""}
    cloud.rule = lambda printers: (500, bug) if any(x["printerSerial"] == "B" for x in printers) else taken(printers)
    put(rooms, "A", "B", "C", "D")
    with delivering(rooms):
        until(lambda: cloud.stored.keys() == {"A", "C", "D"})
        put(rooms, "A", "C", n=2)
        until(lambda: cloud.stored["A"] == cloud.stored["C"] == {"n": 2})
        until(lambda: waiting(rooms) == ["B"])
        cloud.rule = taken
        until(lambda: waiting(rooms) == [])
        put(rooms, "A", "C", n=3)
        until(lambda: waiting(rooms) == [])
    assert sorted(cloud.calls[-1]) == ["A", "C"]


@pytest.mark.parametrize(
    "answer",
    [
        (503, {"ok": False, "error_type": "UnavailableError", "message": "", "detail": ""}),
        (404, "please log in"),
        (200, {"ok": True}),
        (200, {"ok": True, "results": []}),
        (200, {"ok": True, "results": [7, 7, 7]}),
    ],
)
def test_an_outage_loses_nothing_and_keeps_the_order(rooms: Rooms, cloud: FakeCloud, answer: tuple[int, Any]) -> None:
    cloud.rule = lambda _: answer
    put(rooms, "A", "B", "C")
    with delivering(rooms):
        until(lambda: len(cloud.calls) >= 3)
        assert waiting(rooms) == ["A", "B", "C"]
        cloud.rule = taken
        until(lambda: waiting(rooms) == [])
    order = [serial for call in cloud.calls[-3:] for serial in call]
    assert sorted(set(order), key=order.index) == ["A", "B", "C"]


class FakeDriver:
    """A printer whose state a test sets."""

    address = "192.168.1.9"

    def __init__(self, serial: str) -> None:
        self.serial = serial
        self.state: Any = "idle"

    def status(self) -> StatusReport:
        return StatusReport(self.state, (self.state,), {"bedTemp": 22})

    def tick(self) -> None:
        """Time has passed."""


def test_numbers_that_are_nearly_due_go_with_those_that_are(rooms: Rooms) -> None:
    seconds = 1000.0
    rooms = replace(rooms, clock=Clock(monotonic=lambda: seconds))
    drivers: list[Any] = [FakeDriver(serial) for serial in "ABC"]
    changed = threading.Event()
    thread = threading.Thread(target=StatusReporter(lambda: nullcontext(drivers), rooms, changed).loop)
    thread.start()

    def reported(*serials: str) -> None:
        changed.set()
        until(lambda: waiting(rooms) == [*serials])
        for report in rooms.outbox.waiting(Kind.STATUS, 100):
            rooms.outbox.remove(report)

    try:
        reported("A", "B", "C")
        seconds += 100
        drivers[1].state = "failed"
        reported("B")
        seconds += 200
        reported("A", "B", "C")
        seconds += 200
        drivers[2].state = "failed"
        reported("C")
        seconds += 100
        reported("A", "B")
    finally:
        rooms.stopping.set()
        changed.set()
        thread.join(10)
