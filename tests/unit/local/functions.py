"""A server in place of the gateway, and the deliveries to it."""

import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cloudevents.http import CloudEvent, from_http

from local.deliveries import Deliveries
from local.faults import FaultPanel

SIZE: Mapping[str, Any] = {
    "memory": 256,
    "cpu": 1,
    "concurrency": 1,
    "timeout": 60,
    "min_instances": 0,
    "max_instances": 1,
}


class Functions(ThreadingHTTPServer):
    """Takes the events; while `ready` is not set, a call waits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, CloudEvent]] = []
        self.ready = threading.Event()
        self.ready.set()
        self.status = 204
        self.poison: bytes | None = None
        """The message that is answered with 500."""
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Functions

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = from_http(dict(self.headers), body)
        self.server.taken.append((self.path, event))
        self.server.ready.wait(10)
        poisoned = self.server.poison is not None and message_of(event) == self.server.poison
        self.send_response(500 if poisoned else self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def message_of(event: CloudEvent) -> bytes:
    """The bytes of the message that an event brings."""
    data = event.get_data()
    assert isinstance(data, dict)
    return base64.b64decode(data["message"]["data"])


@contextmanager
def serving() -> Iterator[Functions]:
    """Such a server, which runs."""
    server = Functions()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.ready.set()
        server.shutdown()
        server.server_close()


@contextmanager
def delivering(functions: Functions, faults: FaultPanel | None = None) -> Iterator[Deliveries]:
    """Deliveries to it."""
    deliveries = Deliveries(functions.url, faults or FaultPanel(), first_counted_retry=0.02)
    try:
        yield deliveries
    finally:
        deliveries.close()


def until(true: Callable[[], bool]) -> None:
    """Returns when it is so; AssertionError after ten seconds."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
