"""What a key is not for, it cannot get by another way."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from printpipe.domain.ports.documents import Query, Where
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

WAYS = ("listPendingJobs", "listRecipientFiles", "pending")


def _waiting(cloud: Cloud, site: Site, way: str, key: str | None) -> dict[str, Any]:
    if way == "pending":
        answer = cloud.call("GET", f"/recipients/{site.lan_recipient}/pending", key=key)
    else:
        body = {"recipientId": site.lan_recipient}
        answer = cloud.call("POST", f"/api/apps/app/functions/{way}", key=key, json=body)
    assert answer.status_code == 200, answer.text
    (file,) = answer.json()["pending"]
    return dict(file)


def _state(cloud: Cloud, job: str) -> str:
    return str(cloud.document(f"print_jobs/{job}").data["status"])


@pytest.mark.parametrize("way", WAYS)
def test_a_key_for_jobs_alone_gets_no_file(cloud: Cloud, site: Site, way: str) -> None:
    job = cloud.upload(site.lan_recipient)["jobId"]
    for scopes in (["jobs.read"], ["jobs.read", "jobs.claim"]):
        assert _waiting(cloud, site, way, cloud.new_key(site.organization, None, scopes))["fetchToken"] is None
    assert _state(cloud, job) == "held"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("purpose", ["read", "app"])
def test_an_onlooker_reads_the_file_and_takes_no_job(cloud: Cloud, site: Site, way: str, purpose: str) -> None:
    job = cloud.upload(site.lan_recipient)["jobId"]
    token = _waiting(cloud, site, way, cloud.new_key(site.organization, None, [purpose]))["fetchToken"]
    fetched = cloud.call("GET", f"/fetch/{token}")
    assert fetched.status_code == 200
    assert base64.b64decode(fetched.json()["data"])
    assert _state(cloud, job) == "held"
    token = _waiting(cloud, site, way, site.lan_key)["fetchToken"]
    assert cloud.call("GET", f"/fetch/{token}").status_code == 200
    assert _state(cloud, job) == "claimed"


@pytest.mark.parametrize("way", WAYS)
def test_a_client_takes_the_job_with_its_file(cloud: Cloud, site: Site, way: str) -> None:
    job = cloud.upload(site.lan_recipient)["jobId"]
    client = cloud.new_key(site.organization, [site.lan_recipient], ["client"])
    token = _waiting(cloud, site, way, client)["fetchToken"]
    assert cloud.call("GET", f"/fetch/{token}").status_code == 200
    assert _state(cloud, job) == "claimed"


def _made(cloud: Cloud, site: Site, scopes: Sequence[str], recipients: Sequence[str] | None = None) -> dict[str, Any]:
    wish = {"name": "Made", "scopes": list(scopes), **({"recipientIds": list(recipients)} if recipients else {})}
    answer = cloud.call("POST", "/api/v1/keys", key=site.organization_key, json=wish)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _delete(cloud: Cloud, noun: str, name: str, key: str) -> int:
    return cloud.call("DELETE", f"/api/v1/{noun}/{name}", key=key).status_code


def test_nobody_revokes_a_key_that_may_do_more(cloud: Cloud, site: Site) -> None:
    keeper = cloud.new_key(site.organization, None, ["keys.write", "read"])
    for scopes in (["admin"], ["*"], ["jobs.write"]):
        made = _made(cloud, site, scopes)
        assert _delete(cloud, "keys", made["keyId"], keeper) == 403
        assert cloud.document(_path_of_key(cloud, made["keyId"])).data["revokedAt"] is None
        assert _delete(cloud, "keys", made["keyId"], site.organization_key) == 200
    assert _delete(cloud, "keys", _made(cloud, site, ["jobs.read"])["keyId"], keeper) == 200


def test_a_key_revokes_itself(cloud: Cloud, site: Site) -> None:
    own = _made(cloud, site, ["keys.write"], [site.lan_recipient])
    assert _delete(cloud, "keys", own["keyId"], own["key"]) == 200


def _path_of_key(cloud: Cloud, key_id: str) -> str:
    (found,) = cloud.backend.documents.query(Query("api_keys", [Where("keyId", "==", key_id)]))
    return found.path


def test_nobody_removes_a_member_who_may_do_more(cloud: Cloud, site: Site) -> None:
    keeper = cloud.new_key(site.organization, None, ["members.write", "app", "commands.execute", "status.write"])
    names = {}
    for role in ("admin", "operator", "viewer"):
        body = {"userId": f"user-{role}", "role": role}
        made = cloud.call("POST", "/api/v1/memberships", key=site.organization_key, json=body).json()
        names[role] = made["membershipId"]
    assert _delete(cloud, "memberships", names["admin"], keeper) == 403
    assert cloud.document(f"memberships/{names['admin']}").data["role"] == "admin"
    assert [_delete(cloud, "memberships", names[role], keeper) for role in ("operator", "viewer")] == [200, 200]
    assert _delete(cloud, "memberships", names["admin"], site.organization_key) == 200


@pytest.mark.parametrize(
    "name",
    [
        "operator",
        "Operator",
        " OPERATOR ",
        "ｏｐｅｒａｔｏｒ",
        "anonymous",
        "user:user-1",
        " User:x",
        "ｕｓｅｒ：x",
        "user:",
    ],
)
def test_no_key_is_called_like_another_caller(cloud: Cloud, site: Site, name: str) -> None:
    wish = {"name": name, "scopes": ["read"]}
    for key in (site.organization_key, cloud.operator_key):
        body = {**wish, "organizationId": site.organization}
        answer = cloud.call("POST", "/api/v1/keys", key=key, json=body)
        assert (answer.status_code, answer.json()["detail"]) == (400, "name"), answer.text


def test_a_key_of_a_site_is_not_shown_keys_that_are_for_others_too(cloud: Cloud, site: Site) -> None:
    both = _made(cloud, site, ["read"], [site.lan_recipient, site.agent_recipient])
    mine = _made(cloud, site, ["read"], [site.lan_recipient])
    path = f"/api/v1/keys?recipientId={site.lan_recipient}"
    shown = cloud.call("GET", path, key=site.lan_key)
    assert mine["keyId"] in shown.text
    assert both["keyId"] not in shown.text
    assert site.agent_recipient not in shown.text
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = cloud.call("GET", path, key=site.lan_key, params={"limit": 1, "cursor": cursor}).json()
        found += [each["keyId"] for each in page["keys"]]
        cursor = page["nextCursor"]
    assert found == [each["keyId"] for each in shown.json()["keys"]]
    assert both["keyId"] in cloud.call("GET", path, key=site.organization_key).text


def test_an_organizations_id_cannot_run_into_what_follows_it(cloud: Cloud) -> None:
    body = {"name": "Shop", "organizationId": "acme_serial"}
    answer = cloud.call("POST", "/api/v1/organizations", key=cloud.operator_key, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (400, "organizationId"), answer.text


def test_what_a_client_reports_is_kept_without_its_secrets(cloud: Cloud, site: Site) -> None:
    event = {
        "recipientId": site.lan_recipient,
        "printerSerial": "S1",
        "eventType": "connect",
        "eventStatus": "info",
        "statusData": {"state": "idle", "net": [{"accessCode": "SECRET-1"}]},
        "errorData": {"reason": "lost", "password": "SECRET-2"},
    }
    assert cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=event).status_code == 201
    error = {"recipientId": site.lan_recipient, "printerSerial": "S1", "errorData": {"access_code": "SECRET-3"}}
    assert cloud.call("POST", "/api/printer-events/error", key=site.lan_key, json=error).status_code == 201
    commands = [cloud.queue(site.lan_recipient, "pause", printerSerial="S1") for _ in range(2)]
    results: list[Any] = [{"printer": {"accessCode": "SECRET-4", "state": "kept"}}, [{"password": "SECRET-5"}, "kept"]]
    for command, result in zip(commands, results, strict=True):
        path = f"/control/{command}/result?recipientId={site.lan_recipient}"
        body = {"success": True, "result": result}
        assert cloud.call("POST", path, key=site.lan_key, json=body).status_code == 200
        assert "kept" in cloud.document(f"printer_commands/{command}").data["message"]
    listed = cloud.call("GET", f"/api/printer-events?recipientId={site.lan_recipient}", key=site.lan_key)
    data = [(each["statusData"], each["errorData"]) for each in listed.json()["events"]]
    assert ({"state": "idle", "net": [{}]}, {"reason": "lost"}) in data
    assert "SECRET-" not in listed.text + str(cloud.stored(site.organization)) + cloud.log.read_text()


def test_a_log_repeats_why_a_command_failed_and_nothing_of_one_that_went_well(cloud: Cloud, site: Site) -> None:
    for success, word in ((True, "a-long-message"), (False, "a-jammed-nozzle")):
        command = cloud.queue(site.lan_recipient, "pause", printerSerial="S1")
        path = f"/control/{command}/result?recipientId={site.lan_recipient}"
        text = f"{word}-{command}"
        body = {"success": success, "result": text, "error": None if success else text}
        assert cloud.call("POST", path, key=site.lan_key, json=body).status_code == 200
        assert (text in cloud.log.read_text()) == (not success)
