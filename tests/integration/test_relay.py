"""The relay between Firestore's emulator and the functions: every kind of event that a trigger may watch."""

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cloudevents.http import from_http

from local.emulators import ENVIRONMENT, EmulatorSet, Missing, environment_of, find
from local.ports import free_port
from local.relay import RelayServer, register
from printpipe.adapters.google.documents import GoogleDocuments
from printpipe.domain.ports.documents import Create, Delete, Update
from printpipe.runtime import catalog
from printpipe.runtime.events import read_change
from printpipe.triggers.change import Change
from tests.backends import set_environment

PROJECT = "demo-relay"
KINDS = ("created", "updated", "deleted", "written")
ROWS = [
    catalog.Row.model_validate(
        {
            "name": f"trigger-teapot-{kind}",
            "trigger": {"firestore": f"google.cloud.firestore.document.v1.{kind}", "document": "teapots/{teapotId}"},
            "uses": ["documents"],
            "memory": 256,
            "cpu": 1,
            "concurrency": 1,
            "timeout": 60,
            "min_instances": 0,
            "max_instances": 1,
        }
    )
    for kind in KINDS
]
"""Made-up functions, one for each kind."""


class Functions(ThreadingHTTPServer):
    """In place of the gateway; the first delivery to each function fails."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refused: set[str] = set()
        self.taken: list[tuple[str, str, Change]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def of(self, kind: str) -> list[tuple[Any, Any]]:
        """What the function of that kind was told, before and after, in the order of the written numbers."""
        told = [(change.before, change.after) for path, _, change in self.taken if path == f"/trigger-teapot-{kind}"]
        return sorted(told, key=lambda sides: [(side or {}).get("n", 9) for side in sides[::-1]])


class _Handler(BaseHTTPRequestHandler):
    server: Functions

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = from_http(dict(self.headers), body)
        if self.path in self.server.refused:
            self.server.taken.append((self.path, event["type"], read_change(event)))
            self.send_response(204)
        else:
            self.server.refused.add(self.path)
            self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def functions() -> Iterator[Functions]:
    """Takes the events that the relay delivers."""
    server = Functions()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def documents(tmp_path: Path, functions: Functions) -> Iterator[GoogleDocuments]:
    """A store of its own whose emulator tells the relay."""
    own = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT.values()}
    found, port = find(own), free_port()
    if isinstance(found, Missing):
        message = f"{found.reason}; {found.how_to_get}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    with EmulatorSet(found, tmp_path, project=PROJECT, functions_emulator=f"127.0.0.1:{port}") as emulators:
        relay = RelayServer(port, PROJECT, functions.url, emulators.hosts["pubsub"], ROWS)
        threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        register(emulators.hosts["firestore"], PROJECT, ROWS)
        undo = set_environment(environment_of(emulators.hosts))
        try:
            yield GoogleDocuments(PROJECT)
        finally:
            undo()
            relay.shutdown()
            relay.server_close()
            relay.deliveries.close()


@pytest.mark.emulators
def test_every_kind_of_event_arrives_with_both_sides_though_its_function_failed(
    documents: GoogleDocuments, functions: Functions
) -> None:
    documents.commit(Create("teapots/t1", {"n": 1, "lid": {"on": True}}))
    documents.commit(Update("teapots/t1", {"n": 2}))
    documents.commit(Update("teapots/t1", {"n": 2}))  # changes nothing
    documents.commit(Create("kettles/k1", {"n": 1}))
    documents.commit(Delete("teapots/none"))
    documents.commit(Delete("teapots/t1"))
    one, two = ({"n": number, "lid": {"on": True}} for number in (1, 2))
    deadline = time.monotonic() + 15
    while len(functions.taken) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert functions.of("created") == [(None, one)]
    assert functions.of("updated") == [(one, two)]
    assert functions.of("deleted") == [(two, None)]
    assert functions.of("written") == [(None, one), (one, two), (two, None)]
    assert {(path, kind.rpartition(".")[2]) for path, kind, _ in functions.taken} == {
        (f"/trigger-teapot-{kind}", kind) for kind in KINDS
    }
