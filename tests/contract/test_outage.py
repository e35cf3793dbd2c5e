"""A dependency that does not answer is a 503 within ten seconds, never a hang or a stack trace."""

import dataclasses
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.backends import Backend
from tests.cloud import Cloud, running

LIMIT_SECONDS = 10.0


@pytest.fixture(params=["closed", "silent"])
def dead_cloud(request: pytest.FixtureRequest, google_backend: Backend, tmp_path: Path) -> Iterator[Cloud]:
    """The functions, with every service of Google's behind a port that is closed, or that never answers."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        if request.param == "silent":
            listener.listen(64)
        dead = {
            **google_backend.environment,
            "FIRESTORE_EMULATOR_HOST": host,
            "PUBSUB_EMULATOR_HOST": host,
            "STORAGE_EMULATOR_HOST": f"http://{host}",
            "KMS_EMULATOR_HOST": host,
        }
        backend = dataclasses.replace(google_backend, environment=dead)
        yield stack.enter_context(running(backend, tmp_path))


@pytest.mark.emulators
def test_the_store_is_away(dead_cloud: Cloud) -> None:
    calls = (
        ("POST", "/control", {"recipientId": "R", "commandType": "pause"}),
        ("GET", "/control?recipientId=R", None),
        ("POST", "/control/result", {"recipientId": "R", "commandId": "c", "status": "completed"}),
    )
    for method, path, body in calls:
        started = time.monotonic()
        answer = dead_cloud.call(method, path, key=dead_cloud.operator_key, json=body)
        took = time.monotonic() - started
        assert (answer.status_code, answer.json()["error_type"]) == (503, "UnavailableError"), answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert took < LIMIT_SECONDS, f"{method} {path}: {took:.1f} s"
        assert "Traceback" not in answer.text
    assert dead_cloud.call("GET", "/").status_code == 200
