"""The whole local stack as a fixture: everything runs, on either backend, for the tests of one module."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

from local.emulators import ENVIRONMENT, Missing, find
from local.faults import Faults
from local.stack import Backend, Stack

BACKENDS = ("embedded", pytest.param("google", marks=pytest.mark.emulators))
SPEED = 300.0
"""The printers' time against real time: a sample print takes a few seconds."""

T = TypeVar("T")


@contextmanager
def running_stack(backend: Backend, folder: Path, **options: Any) -> Iterator[Stack]:
    """A stack of its own on free ports. Skips where there are no emulators for `google`; with `CI` set that fails."""
    own = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT.values()}
    found = find(own)
    if backend == "google" and isinstance(found, Missing):
        message = f"{found.reason}; {found.how_to_get}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    with Stack(folder, backend=backend, emulators=found, **{"speed": SPEED, **options}) as stack:
        yield stack


@pytest.fixture(scope="module", params=BACKENDS)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, once for the module and each backend."""
    with running_stack(request.param, tmp_path_factory.mktemp("stack")) as running:
        yield running


def call(stack: Stack, method: str, path: str, *, key: str | None = "operator", **options: Any) -> requests.Response:
    """One request with the operator's key, or another, or none."""
    headers = dict(options.pop("headers", {}))
    if key is not None:
        headers["X-API-Key"] = stack.identity.operator_key if key == "operator" else key
    return requests.request(method, stack.base_url + path, headers=headers, timeout=60, **options)


def queue(stack: Stack, command: str, serial: str | None = None, **metadata: Any) -> str:
    """Queues a command for a printer of the agent's site (the first, if not named); the command's id."""
    body = {
        "recipientId": stack.identity.agent.recipient_id,
        "printerSerial": serial or stack.printers[0].serial,
        "commandType": command,
        "metadata": metadata,
    }
    answer = call(stack, "POST", "/control", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["commandId"])


def command_of(stack: Stack, command_id: str) -> dict[str, Any]:
    """The stored command."""
    found = stack.platform.documents.get(f"printer_commands/{command_id}")
    assert found is not None
    return dict(found.data)


@contextmanager
def faults(stack: Stack, **switches: Any) -> Iterator[None]:
    """The relay's faults (see `local.faults.Faults`), all off again afterwards."""
    off = Faults().model_dump()
    requests.post(stack.faults_url, json={**off, **switches}, timeout=5).raise_for_status()
    try:
        yield
    finally:
        requests.post(stack.faults_url, json=off, timeout=5).raise_for_status()


def until(probe: Callable[[], T | None], what: str, seconds: float = 20.0) -> T:
    """The first true answer of `probe`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)
