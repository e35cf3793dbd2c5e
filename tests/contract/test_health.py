"""GET /health: one body for all who ask, open to everyone, and true when the store is away."""

import dataclasses
import socket
import time
from pathlib import Path

import pytest

from tests.backends import Backend
from tests.cloud import Cloud, Site, running

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
    "uptime_seconds",
}


def test_it_tells_nothing_of_any_tenant(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.lan_recipient)
    answer = cloud.call("GET", "/health")
    assert (answer.status_code, set(answer.json())) == (200, SHOWN)
    assert answer.json()["printerBackend"] == {"healthy": True, "url": cloud.base_url}
    for secret in (site.organization, site.lan_recipient, site.agent_recipient):
        assert secret not in answer.text


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
            assert time.monotonic() - again < 1, "what is known is not asked again"
    assert took < LIMIT_SECONDS
    assert (answer.status_code, set(answer.json())) == (503, SHOWN)
    body = answer.json()
    assert (body["ok"], body["status"], body["database"]) == (False, "unhealthy", "disconnected")
    assert body["printerBackend"]["healthy"] is False
