"""The way to Pub/Sub: tokens that the cloud gives, renewed in time, and what happens while there is no way."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agent import run
from edge_agent.cloud import Cloud, CloudUnavailable
from edge_agent.config import AgentConfig, PubSubConfig, Timing
from edge_agent.intake.credentials import CloudCredentials
from edge_agent.intake.health import Health
from edge_agent.server_time import ServerTime
from edge_agent.timestamps import Clock, render
from local.ports import free_port
from tests.integration.agent_site import until
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TIMING = Timing(reconcile=0.5, pull_wait=2, http_timeout=5, retry_first=0.05, retry_ceiling=0.2)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock = Clock(now=lambda: BEGIN + timedelta(seconds=self.seconds), monotonic=lambda: self.seconds)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        yield made


def config(cloud: StandInCloud, folder: Path, endpoint: str | None = None) -> AgentConfig:
    """The agent's, without printers; with `endpoint` its subscriptions are there."""
    pubsub = endpoint and PubSubConfig(
        project="demo",
        subscription_normal="commands-normal",
        subscription_priority="commands-priority",
        endpoint=endpoint,
        credentials="cloud",
    )
    return AgentConfig(
        backend_url=cloud.url,
        api_key="key",
        recipient_id=SITE,
        pubsub=pubsub or None,
        state_dir=folder / "state",
        timing=TIMING,
    )


def gives(token: str, seconds: float = 3600, since: datetime = BEGIN) -> tuple[int, dict[str, Any]]:
    """The cloud's answer with a token."""
    given = {"accessToken": token, "expiresAt": render(since + timedelta(seconds=seconds)), "project": "demo"}
    return 200, {"ok": True, "pubsub": given}


def refuses(status: int = 503) -> tuple[int, dict[str, Any]]:
    return status, {"ok": False, "error_type": "UnavailableError", "message": "no", "detail": ""}


@pytest.fixture
def credentials(cloud: StandInCloud, hands: Hands, tmp_path: Path) -> CloudCredentials:
    return CloudCredentials(Cloud(config(cloud, tmp_path), "agent"), hands.clock, ServerTime(hands.clock))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_is_renewed_when_four_fifths_of_its_life_are_over(
    cloud: StandInCloud, hands: Hands, credentials: CloudCredentials
) -> None:
    cloud.refusals["pubsub-token"] = [gives("first"), gives("second", since=BEGIN + timedelta(seconds=2880))]
    for seconds, token in ((0, "first"), (2879, "first"), (2880, "second"), (5759, "second")):
        hands.seconds = seconds
        assert credentials.headers() == bearer(token)


def test_a_token_is_good_to_its_end_where_there_is_no_other(
    cloud: StandInCloud, hands: Hands, credentials: CloudCredentials
) -> None:
    cloud.refusals["pubsub-token"] = [gives("first"), refuses(), refuses(), refuses(401), gives("second")]
    credentials.headers()
    for seconds in (2880, 2900, 2940, 3000):  # asked once a minute: refused at 2880 and at 2940
        hands.seconds = seconds
        if seconds < 3000:
            assert credentials.headers() == bearer("first")
    assert len(cloud.refusals["pubsub-token"]) == 2
    hands.seconds = 3600
    with pytest.raises(CloudUnavailable):
        credentials.headers()
    assert credentials.headers() == bearer("second")


def test_a_refused_token_makes_room_unless_it_is_new(
    cloud: StandInCloud, hands: Hands, credentials: CloudCredentials
) -> None:
    cloud.refusals["pubsub-token"] = [gives("first"), gives("second")]
    first = credentials.headers()
    assert not credentials.refused(first), "the cloud would give no better one"
    hands.seconds = 60
    assert credentials.refused(first)
    assert credentials.headers() == bearer("second")
    assert credentials.refused(first), "another thread has a new one already"
    assert credentials.headers() == bearer("second")


def test_a_wrong_clock_makes_no_token_last_for_ever(
    cloud: StandInCloud, hands: Hands, credentials: CloudCredentials
) -> None:
    day = timedelta(days=1)
    cloud.refusals["pubsub-token"] = [gives("behind", since=BEGIN + day), gives("ahead", since=BEGIN - day)]
    assert credentials.headers() == bearer("behind")
    hands.seconds = 2880
    assert credentials.headers() == bearer("ahead")
    hands.seconds = 2880 + 2879
    assert credentials.headers() == bearer("ahead")


def test_no_pubsub_is_no_token(cloud: StandInCloud, credentials: CloudCredentials) -> None:
    for nothing in ({"ok": True, "pubsub": None}, {"ok": True}, {"ok": True, "pubsub": {"accessToken": "x"}}):
        cloud.refusals["pubsub-token"] = [(200, nothing)]
        with pytest.raises(CloudUnavailable):
            credentials.headers()


def test_one_subscription_that_fails_for_long_is_a_way_that_is_blocked(hands: Hands) -> None:
    health = Health(hands.clock, 60)
    health.works("normal")
    health.fails("priority")
    hands.seconds = 59.9
    health.fails("priority")
    assert not health.is_blocked()
    hands.seconds = 60
    assert health.is_blocked()
    health.works("priority")
    assert not health.is_blocked()


class StandInPubSub(ThreadingHTTPServer):
    """Two empty subscriptions; `accepted` are the tokens that it takes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pulls)
        self.accepted: set[str] = set()
        self.asked: list[tuple[str, str, int]] = []
        """Subscription and verb, credential, and the answer's status."""

    def served(self, token: str) -> int:
        """How many subscriptions were pulled with that token."""
        return len({name for name, came, status in self.asked if came == f"Bearer {token}" and status == 200})


class _Pulls(BaseHTTPRequestHandler):
    server: StandInPubSub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        came = self.headers.get("Authorization", "")
        status = 200 if came.removeprefix("Bearer ") in self.server.accepted else 401
        self.server.asked.append((self.path.rsplit("/", 1)[-1], came, status))
        time.sleep(0.05)
        answer = b"{}" if status == 200 else json.dumps({"error": {"code": status}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def pubsub() -> Iterator[StandInPubSub]:
    with StandInPubSub() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def running(settings: AgentConfig, clock: Clock | None = None) -> Iterator[None]:
    """The agent, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings,), kwargs={"stop": stop, "clock": clock}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


def test_both_subscriptions_are_pulled_with_one_token_of_the_clouds(
    cloud: StandInCloud, pubsub: StandInPubSub, tmp_path: Path
) -> None:
    pubsub.accepted = {"first"}
    cloud.refusals["pubsub-token"] = [gives("first", since=datetime.now(UTC)), *[refuses()] * 5]
    with running(config(cloud, tmp_path, f"http://127.0.0.1:{pubsub.server_port}")):
        until(lambda: pubsub.served("first") == 2, 10, "both subscriptions")
    assert len(cloud.refusals["pubsub-token"]) == 5, "one was asked for"


def test_a_token_that_is_refused_is_replaced(
    cloud: StandInCloud, pubsub: StandInPubSub, hands: Hands, tmp_path: Path
) -> None:
    began = time.monotonic()
    clock = Clock(monotonic=lambda: time.monotonic() - began + hands.seconds)
    pubsub.accepted = {"first", "second"}
    cloud.refusals["pubsub-token"] = [gives(each, since=datetime.now(UTC)) for each in ("first", "second")]
    with running(config(cloud, tmp_path, f"http://127.0.0.1:{pubsub.server_port}"), clock):
        until(lambda: pubsub.served("first") == 2, 10, "both subscriptions")
        hands.seconds = 61
        pubsub.accepted = {"second"}
        until(lambda: pubsub.served("second") == 2, 10, "both subscriptions, with another token")


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("why", ["no token", "nobody there", "no handshake"])
def test_while_pubsub_is_blocked_commands_come_by_https(
    cloud: StandInCloud, deaf: int, tmp_path: Path, capfd: pytest.CaptureFixture[str], why: str
) -> None:
    given = [refuses()] * 1000 if why == "no token" else [gives("first", since=datetime.now(UTC))]
    cloud.refusals["pubsub-token"] = given
    endpoint = f"https://127.0.0.1:{deaf}" if why == "no handshake" else f"http://127.0.0.1:{free_port()}"
    printed: list[str] = []

    def blocked() -> bool:
        printed.append(capfd.readouterr().out)
        return "pubsub_blocked" in "".join(printed)

    with running(config(cloud, tmp_path, endpoint)):
        until(blocked, 15, "the agent's word that it polls")
        command = cloud.order("pause", "of-no-printer")
        assert cloud.result(command, 10)["status"] == "failed"
    assert "first" not in "".join(printed), "no token is logged"
