"""GET /health: one body for all who ask, open to everyone, and true when the store is away."""

import dataclasses
import socket
import time
from pathlib import Path

import pytest

from printpipe.services.health import REMEMBER_SECONDS
from tests.backends import Backend
from tests.cloud import Cloud, Site, running

ONE_BACKEND_AT_REDUCED_COUNTS = True

LIMIT_SECONDS = 10.0
SHOWN = {
    "ok",
    "status",
    "timestamp",
    "service",
    "printerBackend",
    "version",
    "database",
    "active_printers",
    "agents",
    "uptime_seconds",
}


def test_it_tells_nothing_of_any_tenant(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.lan_recipient)
    answer = cloud.call("GET", "/health")
    assert (answer.status_code, set(answer.json())) == (200, SHOWN)
    assert answer.json()["printerBackend"] == {"healthy": True, "url": cloud.base_url}
    for secret in (site.organization, site.lan_recipient, site.agent_recipient):
        assert secret not in answer.text


def test_it_tells_of_the_agents_together(cloud: Cloud, site: Site) -> None:
    lan = {"recipientId": site.lan_recipient}
    assert cloud.call("POST", "/api/heartbeat", key=site.lan_key, json=lan).status_code == 200
    beat = {"recipientId": site.agent_recipient, "clientVersion": "1.0"}
    assert cloud.call("POST", "/api/heartbeat", key=site.agent_key, json=beat).status_code == 200
    seen = cloud.document(f"recipients/{site.agent_recipient}").data["lastSeenAt"].strftime("%Y-%m-%dT%H:%M:%SZ")
    deadline = time.monotonic() + 2 * REMEMBER_SECONDS
    while ((agents := cloud.call("GET", "/health").json()["agents"])["last_heard_at"] or "") < seen:
        assert time.monotonic() < deadline, agents
        time.sleep(0.1)
    assert 1 <= agents["online"] <= agents["total"]


@pytest.mark.emulators
def test_it_says_in_time_that_the_store_is_away(google_backend: Backend, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        nobody.listen(16)
        dead = {**google_backend.environment, "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{nobody.getsockname()[1]}"}
        with running(dataclasses.replace(google_backend, environment=dead), tmp_path) as cloud:
            started = time.monotonic()
            answer = cloud.call("GET", "/health")
            took = time.monotonic() - started
            again = time.monotonic()
            assert cloud.call("GET", "/health").status_code == 503
            other = cloud.call("GET", "/api/v1/health")
            assert time.monotonic() - again < 1, "what is known is not asked again"
    assert took < LIMIT_SECONDS
    assert (answer.status_code, set(answer.json())) == (503, SHOWN)
    body = answer.json()
    assert (body["ok"], body["status"], body["database"]) == (False, "unhealthy", "disconnected")
    assert body["printerBackend"]["healthy"] is False
    told = other.json()
    assert (other.status_code, told["status"], told["database"]) == (503, "degraded", "disconnected"), told
