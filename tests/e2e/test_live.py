"""A print through the whole house, as those see it who look on: over a WebSocket, and as server-sent events."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from local.sample_print import make_3mf
from local.stack import Stack
from tests.contract.live import Message, said, socket, stream, up_to
from tests.counts import SOAK
from tests.e2e.stack import BACKENDS, call, running_stack

PRINT = make_3mf("live print", layers=20, seconds=1200)
"""Four seconds at the stack's speed."""

_STEPS = ("queued", "printing", "completed")


@pytest.fixture(scope="module", params=BACKENDS if SOAK else BACKENDS[:1])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack; in a quick run on one backend, as what is followed is tried on both elsewhere."""
    with running_stack(request.param, tmp_path_factory.mktemp("live")) as running:
        yield running


def test_a_print_is_seen_live_and_in_order(stack: Stack) -> None:
    key = _ticket_maker(stack)
    serial = stack.printers[0].serial

    def ends(message: Message) -> bool:
        return message["type"] == "job_update" and message["data"]["job_name"] == "live.gcode.3mf" and _ended(message)

    with ThreadPoolExecutor(2) as pool:
        seen = [pool.submit(_over_a_socket, stack, key(), ends), pool.submit(_over_a_stream, stack, key(), ends)]
        _order(stack, serial)
        for each in seen:
            _check(each)


def _ticket_maker(stack: Stack) -> Callable[[], str]:
    token = {"Authorization": f"Bearer {stack.identity.token('viewer')}"}

    def make() -> str:
        answer = call(stack, "POST", "/api/v1/ws/ticket", key=None, headers=token)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ticket"])

    return make


def _over_a_socket(stack: Stack, ticket: str, ends: Callable[[Message], bool]) -> list[Message]:
    with socket(stack.base_url, query=f"?ticket={ticket}") as opened:
        return said(opened, ends, 60)


def _over_a_stream(stack: Stack, ticket: str, ends: Callable[[Message], bool]) -> list[Message]:
    with stream(stack.base_url, query=f"?ticket={ticket}") as events:
        return [each.message for each in up_to(events, ends)]


def _order(stack: Stack, serial: str) -> None:
    site = {"recipientId": stack.identity.agent.recipient_id, "productId": "PROD-LIVE"}
    part = {"file": ("live.gcode.3mf", PRINT, "model/3mf")}
    file = call(stack, "POST", "/upload", data=site, files=part).json()["fileId"]
    answer = call(stack, "POST", "/api/print-jobs", json={**site, "printerSerial": serial, "fileId": file})
    assert answer.status_code == 200, answer.text


def _ended(message: Message) -> bool:
    return message["data"]["status"] in ("completed", "failed", "cancelled")


def _check(seen: "Future[list[Message]]") -> None:
    messages = seen.result(90)
    updates = [each["data"] for each in messages if each["type"] == "job_update"]
    updates = [each for each in updates if each["job_name"] == "live.gcode.3mf"]
    words = [each["status"] for each in updates]
    assert list(dict.fromkeys(words)) == list(_STEPS)
    assert sorted(words, key=_STEPS.index) == words
    progress = [each["progress"] for each in updates if each["progress"] is not None]
    assert progress == sorted(progress)
    assert len(set(progress)) > 3, progress
    assert progress[-1] == 100.0
    printers = [each["data"] for each in messages if each["type"] == "printer_status"]
    at_work = [each for each in printers if each["status"] == "printing" and each["progress"] is not None]
    assert any(each["temperatures"]["nozzle"] for each in at_work)
    assert {each["type"] for each in messages} <= {"printer_status", "job_update", "system_alert", "heartbeat"}
