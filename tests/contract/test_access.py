"""Which keys may do what: denied by default, and never a word of another tenant. Of tokens, see `test_roles`."""

import json
from typing import Any

import pytest

from printpipe.runtime.catalog import rows
from tests.cloud import Cloud, Site
from tests.contract.refusals import LIVE, asked, assert_is_refusal, is_of_whoever_asks, secrets_of, told, until
from tests.contract.wire_client import send, variables_before
from tests.contract.wire_examples import keyed_example

ONE_BACKEND_AT_REDUCED_COUNTS = True

FACES = [(row, face) for row in rows().values() if row.http for face in row.faces]
KEYED = sorted(
    (face.name, method, row.http.path)
    for row, face in FACES
    if row.http and face.auth in ("key", "either", "ticket") and face.name not in LIVE
    for method in row.http.methods
)
DIALECTS = {face.name: face.dialect for _, face in FACES}
TAKING_TOKENS = {face.name for row, face in FACES if row.bearer or face.auth in ("either", "ticket")}
WITH_TOKENS = {face.name for _, face in FACES if face.auth == "jwt"}
OPEN = {
    "cloud-agent-enroll",
    "cloud-health-check",
    "cloud-openapi-show",
    "cloud-docs-show",
    "cloud-file-fetch",
    "cloud-health-report",
    "cloud-product-handshake",
    "cloud-product-status",
    "cloud-recipient-pending",
    "printernizer-health-show",
    "taverna-status-show",
}
"""Rows without a credential, with one of their own as the path's token, or that show less without a key."""


OF_WHOEVER_ASKS = TAKING_TOKENS | {"cloud-metrics-show"}
"""Rows that show everybody their own, unless they name something."""

OF_OTHERS = {403, 404}
"""What a key of others finds of what is named."""


@pytest.mark.parametrize(("name", "method", "path"), KEYED)
def test_a_keyed_row_denies_strangers(cloud: Cloud, site: Site, name: str, method: str, path: str) -> None:
    step = keyed_example(name, method, path)
    variables = variables_before(cloud, site, name, step)
    request, whole = asked(step), json.dumps([asked(each) for each in until(name, step)])
    about_agent = "{{agent_recipient}}" in (request if "_recipient}}" in request else whole)
    admin = cloud.token(site.organization, "admin")
    calls: dict[str, tuple[dict[str, Any], set[int]]] = {
        "no key": ({"key": None}, {401}),
        "a wrong key": ({"key": "no-such-key"}, {401}),
        "another recipient's key": ({"key": site.lan_key if about_agent else site.agent_key}, OF_OTHERS),
        "another organization's key": ({"key": cloud.new_site().organization_key}, OF_OTHERS),
        "a key without the scope": ({"key": cloud.new_key(site.organization, None, ["nothing"])}, {403}),
    }
    if DIALECTS[name] != "taverna":  # whose key is none of the headers: it has no use for those
        calls["a token beside the key"] = ({"key": site.organization_key, "token": admin}, {401})
    if name not in TAKING_TOKENS:
        calls["a token instead"] = ({"key": None, "token": admin}, {401})
    before, secret = cloud.stored(site.organization), secrets_of(name, step, variables)
    for who, (credentials, statuses) in calls.items():
        answer = send(cloud, _without_bytes(step), variables, **{"token": None, **credentials})
        if not (answer.ok and statuses == OF_OTHERS and name in OF_WHOEVER_ASKS and is_of_whoever_asks(name)):
            assert_is_refusal(answer, DIALECTS[name], *statuses)
        assert [each for each in secret if each in told(answer)] == [], f"{who}: {told(answer)}"
    assert cloud.stored(site.organization) == before


def _without_bytes(step: dict[str, Any]) -> dict[str, Any]:
    """The step without the upload to a link, which only its owner knows."""
    return {**step, "request": {name: value for name, value in step["request"].items() if name != "put"}}


def test_every_face_is_in_a_matrix_or_open() -> None:
    assert {name for name, *_ in KEYED} | WITH_TOKENS | OPEN | LIVE == {face.name for _, face in FACES}


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
    served = [json.loads(line) for line in log.splitlines() if "request_served" in line]
    assert {(line["method"], line["route"], line["status"]) for line in served} >= {
        ("GET", "/control", 200),
        ("GET", "/fetch/{fetchToken}", 200),
    }
    assert site.lan_key not in log
    assert cloud.operator_key not in log
    assert token not in log
