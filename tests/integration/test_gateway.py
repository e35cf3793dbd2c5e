"""The gateway: every function where the catalog says, and the relay that calls the triggers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import requests

from local.children import StackError
from local.sample_print import make_3mf
from local.stack import Stack
from printpipe.runtime import catalog
from tests.e2e.stack import BACKENDS, call, faults, queue, running_stack, until

HTTP_ROWS = [row for row in catalog.rows().values() if row.http]
ENDPOINTS = [(row.name, method, row.http.path) for row in HTTP_ROWS if row.http for method in row.http.methods]
NAMES = [f"{name}-{method}" for name, method, _ in ENDPOINTS]


@pytest.fixture(scope="module", params=BACKENDS)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything but the agent, so that nobody else takes the commands."""
    with running_stack(request.param, tmp_path_factory.mktemp("gateway"), with_agent=False) as running:
        yield running


def concrete(template: str) -> str:
    return re.sub(r"\{\w+\}", "none", template)


def requests_logged(stack: Stack) -> list[Any]:
    return [line for line in stack.child("gateway").records() if line.get("event") == "http_request"]


def delivered(stack: Stack, command_id: str, event: str = "trigger_delivered") -> list[Any]:
    relay = stack.child("relay" if stack.backend == "google" else "gateway")
    document = f"printer_commands/{command_id}"
    return [line for line in relay.records() if line.get("event") == event and line.get("document") == document]


def published(stack: Stack, command_id: str) -> int:
    lines = stack.child("gateway").records()
    return sum(line.get("event") == "command_published" and line.get("commandId") == command_id for line in lines)


@pytest.mark.one_backend
@pytest.mark.parametrize(("name", "method", "path"), ENDPOINTS, ids=NAMES)
@pytest.mark.parametrize("prefix", ["", "/{name}"], ids=["path", "function-url"])
def test_a_function_answers_at_its_path_and_below_its_name(
    stack: Stack, name: str, method: str, path: str, prefix: str
) -> None:
    answer = call(stack, method, prefix.format(name=name) + concrete(path), key=None)
    # The gateway's own 404 carries no request id: this one comes from the function.
    assert answer.headers.get("X-Request-Id")

    def noted() -> Any:
        mine = [line for line in requests_logged(stack) if line.get("requestId") == answer.headers["X-Request-Id"]]
        return mine[0] if mine else None

    line = until(noted, "the access log's line")
    assert (line["function"], line["method"], line["status"]) == (name, method, answer.status_code)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "path", ["/nowhere", "/control/", "/control/ack/more", "/control//ack", "/fetch", "/fetch/a/b"]
)
def test_an_unknown_path_is_404_in_json(stack: Stack, path: str) -> None:
    answer = call(stack, "GET", path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"ok", "error_type", "message", "detail"}
    assert (body["ok"], body["error_type"]) == (False, "NotFoundError")


@pytest.mark.one_backend
@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_another_method_is_answered_by_the_function_of_the_path(stack: Stack, method: str) -> None:
    answer = call(stack, method, "/control")
    assert answer.status_code == 405
    assert answer.headers.get("X-Request-Id")


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/keys", "GET, POST"),
        ("HEAD", "/api/v1/keys", "GET, POST"),
        ("PUT", "/cloud-key-list/api/v1/keys", "GET"),
        ("PUT", "/cloud-key-create/api/v1/keys", "POST"),
    ],
)
def test_a_path_of_several_functions_names_the_methods_of_all(
    stack: Stack, method: str, path: str, allowed: str
) -> None:
    answer = call(stack, method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert method == "HEAD" or answer.json()["error_type"] == "ValidationError"


def test_a_scheduled_function_runs_when_it_is_fired(stack: Stack) -> None:
    def pruned() -> int:
        return sum(line.get("event") == "history_pruned" for line in stack.child("gateway").records())

    before = pruned()
    stack.fire("trigger-history-prune")
    until(lambda: pruned() > before, "the function's log line")
    with pytest.raises(StackError, match="trigger-teapot-brew"):
        stack.fire("trigger-teapot-brew")


def test_keys_and_tokens_stay_out_of_the_logs(stack: Stack) -> None:
    secret = "hush-this-is-a-secret-key"
    call(stack, "GET", f"/control?recipientId=x&apiKey={secret}", key=None)
    call(stack, "GET", f"/fetch/{secret}", key=None)
    call(stack, "GET", f"/fetch/{secret}/", key=None)
    call(stack, "GET", f"/cloud-file-fetch/fetch/{secret}?apiKey={secret}", key=None)
    until(lambda: len(requests_logged(stack)) >= 4, "the access log")
    logs = "".join(path.read_text() for path in stack.logs.iterdir())
    for hidden in (secret, stack.identity.operator_key, stack.identity.agent.api_key):
        assert hidden not in logs


def test_every_part_listens_on_loopback_alone(stack: Stack) -> None:
    listening = [
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_download_url_serves_the_file_and_no_other(stack: Stack) -> None:
    content = make_3mf("cube", layers=2, seconds=60)
    recipient = stack.identity.agent.recipient_id
    uploaded = call(
        stack,
        "POST",
        "/upload",
        data={"recipientId": recipient, "productId": "P"},
        files={"file": ("cube.3mf", content, "model/3mf")},
    ).json()
    fetched = call(stack, "GET", f"/fetch/{uploaded['fetchToken']}", key=None).json()
    answer = requests.get(fetched["downloadUrl"], timeout=10)
    assert answer.status_code == 200
    assert answer.content == content
    if stack.backend == "embedded":  # the Cloud Storage emulator names no file and checks no signatures
        assert "cube.3mf" in answer.headers["Content-Disposition"]
        for forged in (fetched["downloadUrl"] + "0", fetched["downloadUrl"].replace("expires=", "expires=9")):
            assert requests.get(forged, timeout=10).status_code == 403


def test_a_new_command_reaches_its_trigger(stack: Stack) -> None:
    command = queue(stack, "light_on")
    until(lambda: delivered(stack, command), "the trigger's delivery")
    until(lambda: published(stack, command) == 2, "a publish by the handler and one by the trigger")


def test_a_failing_trigger_is_tried_again(stack: Stack) -> None:
    with faults(stack, fail=3, only="trigger-command-created"):
        command = queue(stack, "light_on")
        [line] = until(lambda: delivered(stack, command), "the trigger's delivery")
    assert line["attempt"] == 4
    assert len(delivered(stack, command, "trigger_failed")) == 3


def test_duplicates_are_delivered_that_often(stack: Stack) -> None:
    with faults(stack, duplicates=2):
        command = queue(stack, "light_on")
        until(lambda: len(delivered(stack, command)) == 3, "three deliveries")


def test_reordered_events_come_last_to_first(stack: Stack) -> None:
    with faults(stack, reorder=3, only="trigger-command-created"):
        commands = [queue(stack, "light_on") for _ in range(3)]
        until(lambda: all(delivered(stack, command) for command in commands), "the deliveries")
    times = [delivered(stack, command)[0]["time"] for command in commands]
    assert times == sorted(times, reverse=True)


def test_a_dropped_event_is_not_delivered(stack: Stack) -> None:
    with faults(stack, drop=True):
        lost = queue(stack, "light_on")
        until(lambda: delivered(stack, lost, "trigger_dropped"), "the drop")
    later = queue(stack, "light_on")
    until(lambda: delivered(stack, later), "a later delivery")
    assert not delivered(stack, lost)


def test_a_wrong_switch_is_refused(stack: Stack) -> None:
    for wrong in ({"nonsense": 1}, {"fail": -1}, {"fail": "many"}):
        assert requests.post(stack.faults_url, json=wrong, timeout=5).status_code == 400


def test_the_stack_file_tells_everything_to_its_owner_alone(stack: Stack) -> None:
    file = stack.state_dir / "stack.json"
    assert file.stat().st_mode & 0o777 == 0o600
    told = json.loads(file.read_text())
    assert {
        "base_url",
        "operator_key",
        "organization_id",
        "agent",
        "lan_client",
        "emulators",
        "printers",
    } <= told.keys()
    assert told["agent"].keys() == told["lan_client"].keys() == {"recipient_id", "api_key"}
    assert told["emulators"].keys() == {"firestore", "pubsub", "storage", "kms"}
    assert all(told["emulators"].values()) == (stack.backend == "google")
    fields = {"serial", "host", "mqtt_port", "ftps_port", "camera_port", "access_code", "ca_file"}
    assert [printer.keys() for printer in told["printers"]] == [fields, fields]
    for client in (told["agent"], told["lan_client"]):
        body = {"recipientId": client["recipient_id"]}
        path = "/api/apps/any/functions/listPendingJobs"
        assert call(stack, "POST", path, key=client["api_key"], json=body).status_code == 200
