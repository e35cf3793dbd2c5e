"""Who may do what: denied by default, and never a word of another tenant."""

import json
from collections import defaultdict

import pytest

from printpipe.runtime.catalog import rows
from tests.cloud import Cloud, Site
from tests.contract.wire_client import send, variables_of
from tests.contract.wire_examples import keyed_example

KEYED = sorted(
    (row.name, method, row.http.path)
    for row in rows().values()
    if row.http and row.auth == "key"
    for method in row.http.methods
)
OPEN = {
    "cloud-health-check",
    "cloud-file-fetch",
    "cloud-recipient-pending",
}
"""Rows without a credential, with the path's token as one, or that show less without a key."""


@pytest.mark.parametrize(("name", "method", "path"), KEYED)
def test_a_keyed_row_denies_strangers(cloud: Cloud, site: Site, name: str, method: str, path: str) -> None:
    step = keyed_example(name, method, path)
    about_agent = "{{agent_recipient}}" in json.dumps(step["request"])
    variables = defaultdict(lambda: "nothing", variables_of(cloud, site))
    narrow = cloud.new_key(site.organization, None, ["nothing"])
    expected = {
        "no key": (None, {401}),
        "a wrong key": ("no-such-key", {401}),
        "another recipient's key": (site.lan_key if about_agent else site.agent_key, {403, 404}),
        "another organization's key": (cloud.new_site().organization_key, {403, 404}),
        "a key without the scope": (narrow, {403}),
    }
    for who, (key, statuses) in expected.items():
        answer = send(cloud, step, variables, key=key)
        assert answer.status_code in statuses, f"{who}: {answer.status_code} {answer.text}"
        assert answer.json()["ok"] is False
        assert site.organization not in answer.text
    for collection in (
        "files",
        "print_jobs",
        "printer_commands",
        "printer_status_updates",
        "printer_events",
        "printers",
    ):
        for recipient in (site.lan_recipient, site.agent_recipient):
            assert cloud.documents(collection, recipient) == []


def test_every_row_is_in_this_matrix_or_open() -> None:
    assert {name for name, *_ in KEYED} | OPEN == {row.name for row in rows().values() if row.http}


def test_a_recipient_that_is_not_there_is_not_found(cloud: Cloud) -> None:
    body = {"recipientId": "no-such-site", "commandType": "pause"}
    answer = cloud.call("POST", "/control", key=cloud.operator_key, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (404, "recipientId")


def test_a_revoked_key_is_none(cloud: Cloud, site: Site) -> None:
    key = cloud.new_key(site.organization, None, ["*"])
    import hashlib
    from datetime import UTC, datetime

    from printpipe.domain.ports.documents import Update

    digest = hashlib.sha256(key.encode()).hexdigest()
    cloud.backend.documents.commit(Update(f"api_keys/{digest}", {"revokedAt": datetime.now(UTC)}))
    answer = cloud.call("GET", f"/control?recipientId={site.lan_recipient}", key=key)
    assert answer.status_code == 401


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
