"""Who may do what: denied by default, and never a word of another tenant."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from printpipe.runtime.catalog import rows
from tests.cloud import Cloud, Site
from tests.contract.wire_client import send, variables_before
from tests.contract.wire_examples import examples, fill, keyed_example

ONE_BACKEND_AT_REDUCED_COUNTS = True

KEYED = sorted(
    (row.name, method, row.http.path)
    for row in rows().values()
    if row.http and row.auth == "key"
    for method in row.http.methods
)
OPEN = {
    "cloud-health-check",
    "cloud-openapi-show",
    "cloud-docs-show",
    "cloud-file-fetch",
    "cloud-health-report",
    "cloud-product-handshake",
    "cloud-product-status",
    "cloud-recipient-pending",
}
"""Rows without a credential, with the path's token as one, or that show less without a key."""


TELLING = {"fileName", "name", "printerSerial", "printerIpAddress", "productId", "userId"}
"""Fields of the examples' requests whose values tell a stranger something."""


@pytest.mark.parametrize(("name", "method", "path"), KEYED)
def test_a_keyed_row_denies_strangers(cloud: Cloud, site: Site, name: str, method: str, path: str) -> None:
    step = keyed_example(name, method, path)
    variables = variables_before(cloud, site, name, step)
    asked, whole = _asked(step), json.dumps([_asked(each) for each in _until(name, step)])
    about_agent = "{{agent_recipient}}" in (asked if "_recipient}}" in asked else whole)
    narrow = cloud.new_key(site.organization, None, ["nothing"])
    expected = {
        "no key": (None, {401}),
        "a wrong key": ("no-such-key", {401}),
        "another recipient's key": (site.lan_key if about_agent else site.agent_key, {403, 404}),
        "another organization's key": (cloud.new_site().organization_key, {403, 404}),
        "a key without the scope": (narrow, {403}),
    }
    before, secret = cloud.stored(site.organization), _secrets(name, step, variables)
    for who, (key, statuses) in expected.items():
        answer = send(cloud, _without_bytes(step), variables, key=key)
        assert answer.status_code in statuses, f"{who}: {answer.status_code} {answer.text}"
        assert answer.json()["ok"] is False
        told = f"{answer.text} {answer.headers}"
        assert [each for each in secret if each in told] == [], f"{who}: {told}"
        assert cloud.stored(site.organization) == before, who


def _until(name: str, step: dict[str, Any]) -> list[dict[str, Any]]:
    """The row's example up to this step."""
    steps = examples(name)
    return steps[: steps.index(step) + 1]


def _asked(step: dict[str, Any]) -> str:
    """The step's request as text, without its key."""
    return json.dumps({name: value for name, value in step["request"].items() if name != "key"})


def _without_bytes(step: dict[str, Any]) -> dict[str, Any]:
    """The step without the upload to a link, which only its owner knows."""
    return {**step, "request": {name: value for name, value in step["request"].items() if name != "put"}}


def _secrets(name: str, step: dict[str, Any], variables: dict[str, str]) -> set[str]:
    """What the example has put there, so far as the step's own request does not say it."""
    asked = fill(_asked(step), variables)
    requests = [fill(each["request"], variables) for each in _until(name, step)]
    found = {each for request in requests for each in _telling(request)} | set(variables.values())
    return {each for each in found if each not in asked}


def _telling(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for name, each in value.items() if name in TELLING and isinstance(each, str))
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _telling(each)


def test_every_row_is_in_this_matrix_or_open() -> None:
    assert {name for name, *_ in KEYED} | OPEN == {row.name for row in rows().values() if row.http}


def test_a_recipient_that_is_not_there_is_not_found(cloud: Cloud) -> None:
    body = {"recipientId": "no-such-site", "commandType": "pause"}
    answer = cloud.call("POST", "/control", key=cloud.operator_key, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (404, "recipientId")


def test_a_revoked_key_is_none(cloud: Cloud, site: Site) -> None:
    body = {"name": "Intern", "scopes": ["*"]}
    made = [cloud.call("POST", "/api/v1/keys", key=site.organization_key, json=body).json() for _ in range(2)]
    ended = cloud.call("DELETE", f"/api/v1/keys/{made[0]['keyId']}", key=site.organization_key)
    assert (ended.status_code, ended.json()["revokedAt"] is not None) == (200, True)
    path = f"/control?recipientId={site.lan_recipient}"
    assert [cloud.call("GET", path, key=each["key"]).status_code for each in made] == [401, 200]


def test_one_site_cannot_touch_anothers_command_or_job(cloud: Cloud, site: Site) -> None:
    command = cloud.queue(site.lan_recipient, "pause")
    job = cloud.upload(site.lan_recipient)["fileId"]
    other = cloud.new_site()
    mine = {"recipientId": other.lan_recipient}
    calls = {
        "/control/ack": {**mine, "commandId": command, "status": "processing"},
        "/control/result": {**mine, "commandId": command, "status": "completed"},
        "/api/apps/a/functions/claimJob": {**mine, "printerId": "p", "jobId": job},
        "/api/print-jobs": {**mine, "printerSerial": "S", "productId": "P", "fileId": job},
        "/control": {**mine, "commandType": "start_print", "metadata": {"fileName": "a.3mf", "fileId": job}},
    }
    for path, body in calls.items():
        answer = cloud.call("POST", path, key=other.lan_key, json=body)
        assert answer.status_code == 404, f"{path}: {answer.text}"
    event = {**mine, "printerSerial": "S", "eventType": "job_completed", "eventStatus": "success", "printJobId": job}
    assert cloud.call("POST", "/api/printer-events/report", key=other.lan_key, json=event).status_code == 201
    assert cloud.document(f"print_jobs/{job}").data["status"] == "held"


def test_a_key_in_the_query_is_never_logged(cloud: Cloud, site: Site) -> None:
    assert cloud.call("GET", f"/control?recipientId={site.lan_recipient}&apiKey={site.lan_key}").status_code == 200
    token = cloud.upload(site.lan_recipient)["fetchToken"]
    assert cloud.call("GET", f"/fetch/{token}").status_code == 200
    log = cloud.log.read_text()
    assert "http_request" in log
    assert site.lan_key not in log
    assert cloud.operator_key not in log
    assert token not in log
