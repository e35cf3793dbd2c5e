"""The agent's sign of life: at once, again and again, and through outages."""

import json
import threading
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent import VERSION
from edge_agent.cloud import Cloud
from edge_agent.config import AgentConfig, Timing
from edge_agent.execution import Rooms
from edge_agent.files import FileCache
from edge_agent.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.reporters.heartbeat import Heartbeat
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock, render
from tests.integration.agent_site import until

REFUSAL = {"ok": False, "error_type": "NotFoundError", "message": "No such recipient", "detail": "recipientId"}


class Listener(ThreadingHTTPServer):
    """Remembers the heartbeats, and answers with a status each as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, Any]] = []
        self.answers: list[int] = []
        self.time: datetime | None = None


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.path, body))
        status = self.server.answers.pop(0) if self.server.answers else 200
        good = {"ok": True, **({"serverTime": render(self.server.time)} if self.server.time else {})}
        content = json.dumps(good if status == 200 else REFUSAL).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server_time() -> ServerTime:
    """The cloud's time as the agent knows it."""
    return ServerTime(Clock())


@pytest.fixture
def beating(listener: Listener, server_time: ServerTime, tmp_path: Path) -> Iterator[Callable[[Timing], None]]:
    """Call with the times to begin."""
    store, clock, stopping = Store(tmp_path / "agent.db"), Clock(), threading.Event()
    journal = Journal(store, clock)
    threads: list[threading.Thread] = []

    def begin(timing: Timing) -> None:
        url = f"http://127.0.0.1:{listener.server_port}"
        config = AgentConfig(backend_url=url, api_key="k", recipient_id="site-1", timing=timing)
        rooms = Rooms(
            store=store,
            journal=journal,
            outbox=Outbox(store, clock),
            cloud=Cloud(config, journal.agent_id),
            files=FileCache(tmp_path / "files"),
            timing=timing,
            clock=clock,
            server_time=server_time,
            observe=silent,
            stopping=stopping,
            reports_waiting=threading.Event(),
        )
        threads.append(threading.Thread(target=Heartbeat(rooms).loop))
        threads[-1].start()

    yield begin
    stopping.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    store.close()


def test_it_says_who_is_there_and_goes_on(listener: Listener, beating: Callable[[Timing], None]) -> None:
    beating(Timing(heartbeat=0.02))
    until(lambda: len(listener.heard) >= 3, 5)
    beat = ("/api/heartbeat", {"clientVersion": VERSION, "recipientId": "site-1"})
    assert all(each == beat for each in listener.heard)


def test_the_first_comes_at_once(listener: Listener, beating: Callable[[Timing], None]) -> None:
    beating(Timing())
    until(lambda: len(listener.heard) == 1, 5)


def test_it_brings_the_clouds_time(
    listener: Listener, server_time: ServerTime, beating: Callable[[Timing], None]
) -> None:
    told = listener.time = datetime.now(UTC) + timedelta(days=2)
    beating(Timing())
    until(lambda: server_time.now() >= told - timedelta(milliseconds=1), 5)
    assert server_time.now() - told < timedelta(minutes=1)


def test_after_an_outage_it_does_not_wait_for_its_turn(listener: Listener, beating: Callable[[Timing], None]) -> None:
    listener.answers = [503, 503]
    beating(Timing(heartbeat=60, retry_first=0.01, retry_ceiling=0.02))
    until(lambda: len(listener.heard) == 3, 5)


def test_a_refusal_is_no_reason_to_ask_again_at_once(listener: Listener, beating: Callable[[Timing], None]) -> None:
    listener.answers = [404]
    beating(Timing(heartbeat=0.05, retry_first=0.001))
    until(lambda: len(listener.heard) >= 2, 5)


def test_it_names_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
