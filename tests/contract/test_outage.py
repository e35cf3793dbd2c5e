"""A dependency that does not answer is a 503 within ten seconds, never a hang or a stack trace."""

import dataclasses
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from local.sample_print import make_3mf
from tests.backends import Backend, google
from tests.cloud import Cloud, running

LIMIT_SECONDS = 10.0


@contextmanager
def _without(services: Mapping[str, str], manner: str, backend: Backend, folder: Path) -> Iterator[Cloud]:
    """The functions, with these services behind a port that is closed, or that never answers."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        if manner == "silent":
            listener.listen(64)
        dead = {name: form.format(host) for name, form in services.items()}
        broken = dataclasses.replace(backend, environment={**backend.environment, **dead})
        yield stack.enter_context(running(broken, folder))


@pytest.mark.emulators
@pytest.mark.parametrize("manner", ["closed", "silent"])
def test_the_store_is_away(google_backend: Backend, tmp_path: Path, manner: str) -> None:
    with _without({"FIRESTORE_EMULATOR_HOST": "{}"}, manner, google_backend, tmp_path) as dead_cloud:
        _assert_unavailable(dead_cloud)


@pytest.fixture(scope="module")
def half_away(emulators: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The functions whose bucket, key service and bus never answer; their documents are there."""
    services = {
        "STORAGE_EMULATOR_HOST": "http://{}",
        "KMS_EMULATOR_HOST": "{}",
        "PUBSUB_EMULATOR_HOST": "{}",
    }
    folder = tmp_path_factory.mktemp("half_away")
    with google(emulators) as backend, _without(services, "silent", backend, folder) as cloud:
        yield cloud


@pytest.mark.emulators
def test_the_bucket_and_the_key_service_are_away(half_away: Cloud) -> None:
    site = half_away.new_site()
    form = {"recipientId": site.lan_recipient, "productId": "P"}
    part = {"file": ("a.3mf", make_3mf("cube", layers=3, seconds=60), "model/3mf")}

    def upload(more: Mapping[str, str]) -> float:
        started = time.monotonic()
        answer = half_away.call("POST", "/upload", key=site.lan_key, data={**form, **more}, files=part)
        assert answer.status_code == 503, answer.text
        return time.monotonic() - started

    with ThreadPoolExecutor(2) as pool:
        assert max(pool.map(upload, ({}, {"encryptedData": "secret"}))) < LIMIT_SECONDS
    assert half_away.documents("files", site.lan_recipient) == []


@pytest.mark.emulators
def test_a_command_is_taken_while_the_bus_is_away(half_away: Cloud) -> None:
    site = half_away.new_site()
    started = time.monotonic()
    command = half_away.queue(site.agent_recipient, "pause")
    assert time.monotonic() - started < LIMIT_SECONDS
    path = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1"
    (found,) = half_away.call("GET", path, key=site.agent_key).json()["commands"]
    assert found["commandId"] == command


def _assert_unavailable(dead_cloud: Cloud) -> None:
    key = dead_cloud.operator_key
    calls: tuple[tuple[str, str, Mapping[str, str] | None, Mapping[str, str]], ...] = (
        ("POST", "/control", {"recipientId": "R", "commandType": "pause"}, {"key": key}),
        ("GET", "/control?recipientId=R", None, {"key": key}),
        ("POST", "/control/result", {"recipientId": "R", "commandId": "c", "status": "completed"}, {"key": key}),
        ("GET", "/api/printers", None, {"token": dead_cloud.token("org-1")}),
    )
    with ThreadPoolExecutor(len(calls)) as pool:
        for answer, took in pool.map(lambda call: _timed(dead_cloud, *call), calls):
            told = answer.json()
            assert answer.status_code == 503, told
            assert told.get("error_type") == "UnavailableError" or told.keys() == {"error"}
            assert int(answer.headers["Retry-After"]) > 0
            assert took < LIMIT_SECONDS, f"{answer.request.method} {answer.request.path_url}: {took:.1f} s"
            assert "Traceback" not in answer.text
    assert dead_cloud.call("GET", "/").status_code == 200


def _timed(
    cloud: Cloud, method: str, path: str, body: Mapping[str, str] | None, credential: Mapping[str, str]
) -> tuple[requests.Response, float]:
    """The answer, and after how many seconds it came."""
    started = time.monotonic()
    answer = cloud.call(method, path, json=body, **credential)
    return answer, time.monotonic() - started
