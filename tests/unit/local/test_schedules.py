"""Ticks reach the functions that are due, one at a time, as Pub/Sub's events."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cloudevents.http import CloudEvent, from_http

from local.deliveries import Deliveries
from local.faults import FaultPanel
from local.schedules import Ticker, fire
from printpipe.runtime import catalog

NOON = datetime(2025, 11, 3, 12, 0, tzinfo=UTC)
SIZE: Mapping[str, Any] = {
    "memory": 256,
    "cpu": 1,
    "concurrency": 1,
    "timeout": 60,
    "min_instances": 0,
    "max_instances": 1,
}


def row(name: str, schedule: str, **more: str) -> catalog.Row:
    trigger = {"schedule": schedule, **more}
    return catalog.Row.model_validate({"name": name, "trigger": trigger, "uses": [], **SIZE})


class Functions(ThreadingHTTPServer):
    """Takes the events; while `ready` is not set, a call waits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, CloudEvent]] = []
        self.ready = threading.Event()
        self.ready.set()
        self.status = 204
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Functions

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, from_http(dict(self.headers), body)))
        self.server.ready.wait(10)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def delivering(functions: Functions) -> Iterator[Deliveries]:
    deliveries = Deliveries(functions.url, FaultPanel())
    try:
        yield deliveries
    finally:
        deliveries.close()


@pytest.fixture
def functions() -> Iterator[Functions]:
    """A server in place of the gateway."""
    server = Functions()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.ready.set()
    server.shutdown()
    server.server_close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_tick_calls_who_is_due_in_its_own_zone(functions: Functions) -> None:
    rows = [
        row("trigger-every-minute", "* * * * *"),
        row("trigger-at-one", "0 13 * * *"),
        row("trigger-at-one-there", "0 13 * * *", time_zone="Europe/Berlin"),
    ]
    with delivering(functions) as deliveries:
        Ticker(rows, deliveries, "demo-p").tick(NOON)
        until(lambda: len(functions.taken) == 2)
    taken = dict(functions.taken)
    assert taken.keys() == {"/trigger-every-minute", "/trigger-at-one-there"}
    event = taken["/trigger-every-minute"]
    assert event["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    assert event["source"] == "//pubsub.googleapis.com/projects/demo-p/topics/trigger-every-minute"
    assert event["time"] == "2025-11-03T12:00:00Z"
    data = event.get_data()
    assert data is not None
    assert data["message"]["messageId"] == event["id"]


def test_it_ticks_by_the_clock(functions: Functions) -> None:
    began = time.monotonic()

    def clock() -> datetime:
        """A little before noon when the test begins."""
        return NOON + timedelta(seconds=time.monotonic() - began - 0.3)

    rows = [row("trigger-every-minute", "* * * * *"), row("trigger-at-noon", "0 12 * * *")]
    with delivering(functions) as deliveries:
        ticker = Ticker(rows, deliveries, "demo-p", clock)
        ticker.start()
        until(lambda: len(functions.taken) == 2)
        ticker.close()
    assert {(path, event["time"]) for path, event in functions.taken} == {
        ("/trigger-every-minute", "2025-11-03T12:00:00Z"),
        ("/trigger-at-noon", "2025-11-03T12:00:00Z"),
    }


def test_a_tick_is_skipped_while_the_former_one_runs(functions: Functions) -> None:
    with delivering(functions) as deliveries:
        ticker = Ticker([row("trigger-every-minute", "* * * * *")], deliveries, "demo-p")
        functions.ready.clear()
        ticker.tick(NOON)
        until(lambda: len(functions.taken) == 1)
        ticker.tick(NOON)
        ticker.tick(NOON)
        functions.ready.set()
        until(lambda: not deliveries.busy("trigger-every-minute"))
        assert len(functions.taken) == 1
        ticker.tick(NOON)
        until(lambda: len(functions.taken) == 2)


def test_a_tick_that_failed_is_delivered_again(functions: Functions) -> None:
    with delivering(functions) as deliveries:
        functions.status = 500
        Ticker([row("trigger-every-minute", "* * * * *")], deliveries, "demo-p").tick(NOON)
        until(lambda: len(functions.taken) >= 2)
        functions.status = 204
        until(lambda: not deliveries.busy("trigger-every-minute"))
    assert len({event["id"] for _, event in functions.taken}) == 1


def test_firing_returns_when_the_function_has_answered_and_tells_a_failure(functions: Functions) -> None:
    fire(functions.url, "trigger-every-minute")
    assert [path for path, _ in functions.taken] == ["/trigger-every-minute"]
    functions.status = 500
    with pytest.raises(RuntimeError, match="trigger-every-minute answered 500"):
        fire(functions.url, "trigger-every-minute")
