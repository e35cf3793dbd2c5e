"""The agent's table of functions, held to the catalog; and every call that it makes, at the function's address."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edge_agent import routes
from edge_agent.cloud import EVENTS_PATH, Cloud, CloudUnavailable
from edge_agent.command import Command
from edge_agent.config import AgentConfig
from local.gateway import url_map
from printpipe.runtime import catalog


@pytest.mark.parametrize(("method", "template"), routes.FUNCTIONS)
def test_the_catalog_has_the_function_at_that_path(method: str, template: str) -> None:
    row = next(row for row in catalog.rows().values() if row.name == routes.FUNCTIONS[method, template])
    assert row.http is not None
    assert method in row.http.methods
    assert template in row.http.paths


def test_a_path_that_no_function_serves_is_refused() -> None:
    for method, path in (("GET", "/control/ack"), ("POST", "/fetch/"), ("GET", "/elsewhere"), ("GET", "/control/")):
        with pytest.raises(LookupError):
            routes.function(method, path)


def test_an_address_has_the_functions_name_before_the_path() -> None:
    base = "https://europe-west1-demo.cloudfunctions.net"
    assert routes.address(base, "paths", "GET", "/control?wait=1") == f"{base}/control?wait=1"
    assert routes.address(base, "functions", "GET", "/control?wait=1") == f"{base}/cloud-command-control/control?wait=1"
    assert routes.address(base, "functions", "GET", "/fetch/a.b") == f"{base}/cloud-file-fetch/fetch/a.b"


class _Recorder(ThreadingHTTPServer):
    calls: list[tuple[str, str]]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert isinstance(self.server, _Recorder)
        self.server.calls.append((self.command, self.path.partition("?")[0]))
        answer = json.dumps({"ok": False, "error_type": "Unavailable", "message": "later"}).encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def _recorder() -> Iterator[_Recorder]:
    with _Recorder(("127.0.0.1", 0), _Handler) as server:
        server.calls = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_each_of_the_agents_calls_goes_to_the_function_that_the_gateway_finds_for_its_path() -> None:
    command = Command(command_id="c-1", command_type="home", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    with _recorder() as server:
        base = f"http://127.0.0.1:{server.server_port}/prefix"
        cloud = Cloud(AgentConfig(backend_url=base, api_key="k", recipient_id="site-1", routing="functions"), "agent-1")
        calls = (
            lambda: cloud.claim(command, None),
            lambda: cloud.pending(0.0),
            lambda: cloud.report(EVENTS_PATH, {}, ""),
            lambda: cloud.event({}),
            lambda: cloud.picture("e-1", b""),
            lambda: cloud.statuses([{}]),
            lambda: cloud.heartbeat("1"),
            lambda: cloud.result({}, ""),
            lambda: cloud.fetch("a/token"),
            lambda: cloud.printers(),
            lambda: cloud.transfer_progress("t-1", {}, ""),
            lambda: cloud.transfer_url("t-1", {}, ""),
            lambda: cloud.pubsub_token(),
        )
        for call in calls:
            with suppress(CloudUnavailable):
                call()
    assert len(server.calls) == len(calls)
    paths = url_map().bind("localhost")
    for method, path in server.calls:
        _, prefix, name, rest = path.split("/", 3)
        assert (prefix, paths.match(f"/{rest}", method)[0]) == ("prefix", name)
