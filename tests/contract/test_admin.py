"""Organizations and what belongs to them: each is administered by its own, and nobody gives what they have not."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from printpipe.domain.ports.documents import Document, Query, Where
from printpipe.domain.scopes import OPERATOR_SCOPES, PURPOSES
from printpipe.runtime.catalog import rows
from tests.cloud import Cloud, Site
from tests.contract.refusals import message_of

ONE_BACKEND_AT_REDUCED_COUNTS = True

COLLECTIONS = ("organizations", "recipients", "api_keys", "memberships", "audit_log", "idempotency_keys")
CREATIONS: Mapping[str, Mapping[str, Any]] = {
    "organizations": {"name": "New"},
    "recipients": {"name": "New"},
    "keys": {"name": "New", "scopes": ["read"]},
    "memberships": {"userId": "new", "role": "viewer"},
}


def stored(cloud: Cloud, organization: str) -> Sequence[Document]:
    """Everything of an organization's administration."""
    found = [Query(each, [Where("organizationId", "==", organization)]) for each in COLLECTIONS]
    return [document for query in found for document in cloud.backend.documents.query(query)]


def post(cloud: Cloud, noun: str, key: str, **body: Any) -> Any:
    return cloud.call("POST", f"/api/v1/{noun}", key=key, json=body)


def everything(cloud: Cloud, noun: str, key: str, limit: int, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        parameters = {**query, "limit": limit, "cursor": cursor}
        answer = cloud.call("GET", f"/api/v1/{noun}", key=key, params=parameters).json()
        page = answer[noun.rpartition("/")[2].replace("audit", "entries")]
        assert len(page) == limit or answer["nextCursor"] is None
        found += page
        cursor = answer["nextCursor"]
    return found


@dataclass(frozen=True)
class Attempt:
    """Somebody who wants more than they have: with which scopes and recipients, what they ask for."""

    scopes: Sequence[str]
    noun: str
    body: Mapping[str, Any]
    statuses: Sequence[int] = (403,)
    bound: bool = False
    """Whether their key is for the LAN client's site alone."""


KEY = {"name": "More"}
ATTEMPTS = {
    "a second organization": Attempt(["*"], "organizations", {"name": "More"}),
    "an organization as its administrator": Attempt(["admin"], "organizations", {"name": "More"}),
    "the scope to make organizations": Attempt(["*"], "keys", {**KEY, "scopes": ["organizations.write"]}, (400,)),
    "everything by a few": Attempt(["keys.write"], "keys", {**KEY, "scopes": ["*"]}),
    "everything by a purpose and one more": Attempt(["app", "keys.write"], "keys", {**KEY, "scopes": ["*"]}),
    "to administer": Attempt(["app", "keys.write"], "keys", {**KEY, "scopes": ["admin"]}),
    "one scope more": Attempt(["keys.write", "jobs.read"], "keys", {**KEY, "scopes": ["jobs.read", "jobs.write"]}),
    "a purpose that is nearly held": Attempt(
        [*sorted(PURPOSES["app"] - {"jobs.write"}), "keys.write"], "keys", {**KEY, "scopes": ["app"]}
    ),
    "a purpose hidden among scopes": Attempt(
        ["read", "keys.write"], "keys", {**KEY, "scopes": ["jobs.read", "keys.write", "client"]}
    ),
    "to read keys": Attempt(["keys.write"], "keys", {**KEY, "scopes": ["keys.read"]}),
    "the whole organization from one site": Attempt(["*"], "keys", {**KEY, "scopes": ["read"]}, bound=True),
    "the whole organization by an explicit null": Attempt(
        ["*"], "keys", {**KEY, "scopes": ["read"], "recipientIds": None}, bound=True
    ),
    "no recipient at all": Attempt(["*"], "keys", {**KEY, "scopes": ["read"], "recipientIds": []}, (400,), bound=True),
    "another site": Attempt(
        ["*"], "keys", {**KEY, "scopes": ["read"], "recipientIds": ["{agent_recipient}"]}, bound=True
    ),
    "another site beside its own": Attempt(
        ["*"], "keys", {**KEY, "scopes": ["read"], "recipientIds": ["{lan_recipient}", "{agent_recipient}"]}, bound=True
    ),
    "another's site": Attempt(["*"], "keys", {**KEY, "scopes": ["read"], "recipientIds": ["{foreign_site}"]}, (404,)),
    "another's organization": Attempt(
        ["*"], "keys", {**KEY, "scopes": ["read"], "organizationId": "{foreign}"}, (404,)
    ),
    "a site of another's": Attempt(["*"], "recipients", {"name": "More", "organizationId": "{foreign}"}, (404,)),
    "a site from a site": Attempt(["*"], "recipients", {"name": "More"}, bound=True),
    "a member of another's": Attempt(
        ["*"], "memberships", {"userId": "me", "role": "admin", "organizationId": "{foreign}"}, (404,)
    ),
    "a member from a site": Attempt(["*"], "memberships", {"userId": "me", "role": "viewer"}, bound=True),
    "an administrator by members alone": Attempt(["members.write"], "memberships", {"userId": "me", "role": "admin"}),
    "an operator by readers": Attempt(["read", "members.write"], "memberships", {"userId": "me", "role": "operator"}),
    "a key without the scope for keys": Attempt(["members.write", "recipients.write"], "keys", {**KEY, "scopes": []}),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_nobody_gets_more_than_they_have(cloud: Cloud, site: Site, name: str) -> None:
    attempt, other = ATTEMPTS[name], cloud.new_site()
    recipients = [site.lan_recipient] if attempt.bound else None
    key = cloud.new_key(site.organization, recipients, list(attempt.scopes))
    names = {
        "lan_recipient": site.lan_recipient,
        "agent_recipient": site.agent_recipient,
        "foreign": other.organization,
        "foreign_site": other.lan_recipient,
    }
    body = {field: _filled(value, names) for field, value in attempt.body.items()}
    before = [stored(cloud, each) for each in (site.organization, other.organization)]
    answer = post(cloud, attempt.noun, key, **body)
    assert answer.status_code in attempt.statuses, answer.text
    assert other.organization not in answer.text
    assert [stored(cloud, each) for each in (site.organization, other.organization)] == before


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled(each, names) for each in value]
    return value.format(**names) if isinstance(value, str) else value


def test_what_is_held_may_be_given(cloud: Cloud, site: Site) -> None:
    few = cloud.new_key(
        site.organization, None, ["keys.write", "app", "members.write", "commands.execute", "status.write"]
    )
    assert post(cloud, "keys", few, name="Less", scopes=["read", "jobs.write"]).status_code == 201
    assert post(cloud, "memberships", few, userId="user-1", role="operator").status_code == 201
    bound = cloud.new_key(site.organization, [site.lan_recipient, site.agent_recipient], ["admin"])
    wish = {"name": "One of them", "scopes": ["client"], "recipientIds": [site.agent_recipient]}
    assert post(cloud, "keys", bound, **wish).status_code == 201
    admin = post(cloud, "keys", site.organization_key, name="Administrator", scopes=["admin"]).json()
    assert post(cloud, "keys", admin["key"], name="Successor", scopes=["*"]).status_code == 201


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_purpose_opens_its_rows_and_no_other(cloud: Cloud, site: Site, purpose: str) -> None:
    bound = {"recipientIds": [site.lan_recipient]} if purpose == "client" else {}
    key = post(cloud, "keys", site.organization_key, name=purpose, scopes=[purpose], **bound).json()["key"]
    for row in rows().values():
        if not row.http or row.auth not in ("key", "either") or row.dialect == "taverna":
            continue
        for method in row.http.methods:
            answer = cloud.call(method, row.http.path.replace("{", "").replace("}", ""), key=key)
            scope = row.scope_for(method)
            lacks = answer.status_code == 403 and message_of(answer) == f"This key lacks the scope {scope}"
            assert lacks == (scope not in PURPOSES[purpose]), f"{method} {row.name}: {answer.text}"
            assert answer.status_code < 500, answer.text


def test_the_administrator_of_another_finds_nothing(cloud: Cloud, site: Site) -> None:
    key = post(cloud, "keys", site.organization_key, name="Mine", scopes=["read"]).json()["keyId"]
    member = post(cloud, "memberships", site.organization_key, userId="user-1", role="viewer").json()["membershipId"]
    other = cloud.new_site().organization_key
    before = stored(cloud, site.organization)
    for method, path in (
        ("GET", f"/api/v1/organizations?organizationId={site.organization}"),
        ("GET", f"/api/v1/organizations/{site.organization}/audit"),
        ("GET", f"/api/v1/recipients?organizationId={site.organization}"),
        ("GET", f"/api/v1/keys?organizationId={site.organization}"),
        ("GET", f"/api/v1/memberships?organizationId={site.organization}"),
        ("DELETE", f"/api/v1/keys/{key}"),
        ("DELETE", f"/api/v1/memberships/{member}"),
    ):
        answer = cloud.call(method, path, key=other)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        assert site.organization not in answer.text
    for noun in ("organizations", "recipients", "keys", "memberships"):
        answer = cloud.call("GET", f"/api/v1/{noun}", key=other)
        assert answer.status_code == 200
        for mine in (site.organization, site.lan_recipient, site.agent_recipient, key, member):
            assert mine not in answer.text
    assert cloud.call("GET", f"/api/v1/keys?recipientId={site.lan_recipient}", key=other).json()["keys"] == []
    assert stored(cloud, site.organization) == before


def test_the_key_of_a_site_administers_its_site_alone(cloud: Cloud, site: Site) -> None:
    of_lan = {"name": "Spare", "scopes": ["read"], "recipientIds": [site.lan_recipient]}
    spare = post(cloud, "keys", site.lan_key, **of_lan)
    assert spare.status_code == 201
    of_agent = post(cloud, "keys", site.agent_key, **{**of_lan, "recipientIds": [site.agent_recipient]}).json()
    of_all = post(cloud, "keys", site.organization_key, name="All", scopes=["read"]).json()
    for key_id in (of_agent["keyId"], of_all["keyId"]):
        assert cloud.call("DELETE", f"/api/v1/keys/{key_id}", key=site.lan_key).status_code == 403
    assert cloud.call("DELETE", f"/api/v1/keys/{spare.json()['keyId']}", key=site.lan_key).status_code == 200
    for path in ("organizations", "recipients", "keys", "memberships", f"organizations/{site.organization}/audit"):
        assert cloud.call("GET", f"/api/v1/{path}", key=site.lan_key).status_code == 403, path


def test_an_id_is_taken_whoever_has_it(cloud: Cloud, site: Site) -> None:
    other = cloud.new_site()
    texts = set()
    for taken in (site.lan_recipient, other.lan_recipient):
        answer = post(cloud, "recipients", site.organization_key, name="Mine", recipientId=taken)
        assert answer.status_code == 409
        assert other.organization not in answer.text
        texts.add(answer.text)
    assert len(texts) == 1
    assert cloud.document(f"recipients/{other.lan_recipient}").data["organizationId"] == other.organization
    assert (
        post(cloud, "organizations", cloud.operator_key, name="X", organizationId=site.organization).status_code == 409
    )


@pytest.mark.parametrize("bad", ["a/b", "", "..", "__x__", "-x", "a b", "x" * 101, "ü", "a:b", "a@b", "a\n"])
def test_an_id_that_fits_no_name_in_the_cloud_is_refused(cloud: Cloud, site: Site, bad: str) -> None:
    recipient = post(cloud, "recipients", site.organization_key, name="X", recipientId=bad)
    assert (recipient.status_code, recipient.json()["detail"]) == (400, "recipientId")
    organization = post(cloud, "organizations", cloud.operator_key, name="X", organizationId=bad)
    assert (organization.status_code, organization.json()["detail"]) == (400, "organizationId")


def test_the_operator_names_an_organization_that_is_there(cloud: Cloud) -> None:
    for noun in ("recipients", "keys", "memberships"):
        nameless = post(cloud, noun, cloud.operator_key, **CREATIONS[noun])
        assert (nameless.status_code, nameless.json()["detail"]) == (400, "organizationId")
        unknown = post(cloud, noun, cloud.operator_key, **CREATIONS[noun], organizationId="no-such-organization")
        assert (unknown.status_code, unknown.json()["detail"]) == (404, "organizationId")
        assert cloud.call("GET", f"/api/v1/{noun}", key=cloud.operator_key).status_code == 400
    path = "/api/v1/organizations/no-such-organization/audit"
    assert cloud.call("GET", path, key=cloud.operator_key).status_code == 404


@pytest.mark.parametrize("noun", CREATIONS)
def test_an_idempotency_key_stands_for_one_request(cloud: Cloud, site: Site, noun: str) -> None:
    mark = secrets.token_hex(8)
    body = {**CREATIONS[noun], **({} if noun == "organizations" else {"organizationId": site.organization})}
    headers = {"Idempotency-Key": mark}

    def ask(**more: Any) -> Any:
        return cloud.call("POST", f"/api/v1/{noun}", key=cloud.operator_key, json={**body, **more}, headers=headers)

    first = ask()
    assert first.status_code == 201
    again = ask()
    assert (again.status_code, again.json()) == (201, first.json())
    changed = ask(**({"userId": "other"} if noun == "memberships" else {"name": "Other"}))
    assert (changed.status_code, changed.json()["detail"]) == (409, "Idempotency-Key")


def test_a_new_site_works_at_once(cloud: Cloud, site: Site) -> None:
    mark = secrets.token_hex(6)
    organization = post(cloud, "organizations", cloud.operator_key, name="Shop", organizationId=f"shop-{mark}").json()
    wish = {"organizationId": organization["organizationId"], "name": "Hall", "client": "agent"}
    recipient = post(cloud, "recipients", cloud.operator_key, **wish, recipientId=f"hall-{mark}").json()
    wish = {"organizationId": organization["organizationId"], "name": "Agent", "scopes": ["client"]}
    made = post(cloud, "keys", cloud.operator_key, **wish, recipientIds=[recipient["recipientId"]]).json()
    command = cloud.queue(recipient["recipientId"], "pause")
    path = f"/control?recipientId={recipient['recipientId']}&claim=true"
    claimed = cloud.call("GET", path, key=made["key"]).json()["commands"]
    assert [each["commandId"] for each in claimed] == [command]
    assert cloud.call("GET", f"/control?recipientId={site.agent_recipient}", key=made["key"]).status_code == 404


def test_members_come_and_go(cloud: Cloud, site: Site) -> None:
    key = site.organization_key
    first = post(cloud, "memberships", key, userId="user-1", role="viewer", email="user@example.com").json()
    assert post(cloud, "memberships", key, userId="user-1", role="admin").status_code == 409
    assert cloud.call("DELETE", f"/api/v1/memberships/{first['membershipId']}", key=key).status_code == 200
    second = post(cloud, "memberships", key, userId="user-1", role="admin")
    assert (second.status_code, second.json()["role"]) == (201, "admin")
    other = cloud.new_site()
    theirs = post(cloud, "memberships", other.organization_key, userId="user-1", role="viewer").json()
    assert theirs["membershipId"] != second.json()["membershipId"]
    for bad in ("nobody", "a@", "@b", "a b@c", "a@b\n", "ä@b"):
        assert post(cloud, "memberships", key, userId="user-2", role="viewer", email=bad).status_code == 400, bad


def test_lists_come_in_pages_the_newest_first(cloud: Cloud, site: Site) -> None:
    key = site.organization_key
    made = [post(cloud, "recipients", key, name=f"Site {number}").json()["recipientId"] for number in range(5)]
    whole = [each["recipientId"] for each in everything(cloud, "recipients", key, 200)]
    assert set(whole) == {*made, site.lan_recipient, site.agent_recipient}
    assert whole[:5] == made[::-1]
    for limit in (1, 2, 3, 7):
        assert [each["recipientId"] for each in everything(cloud, "recipients", key, limit)] == whole
    mine = everything(cloud, "organizations", cloud.operator_key, 200)
    assert site.organization in [each["organizationId"] for each in mine]
    for bad in ("0", "201", "x"):
        assert cloud.call("GET", f"/api/v1/recipients?limit={bad}", key=key).status_code == 400
    for bad in ("x", "e30=", "WzEsIDJd", "WzFlNDAwLCAiYSJd", "WyJhIiwgImIiXQ==", "ü", "WzEsICIuLiJd", "bnVsbA=="):
        answer = cloud.call("GET", "/api/v1/recipients", key=key, params={"cursor": bad})
        assert (answer.status_code, answer.json()["detail"]) == (400, "cursor"), bad


def test_every_change_is_in_the_audit_and_no_secret(cloud: Cloud, site: Site) -> None:
    key = site.organization_key
    recipient = post(cloud, "recipients", key, name="Hall").json()["recipientId"]
    wish = {"name": "Client", "scopes": ["client"], "recipientIds": [recipient]}
    made = post(cloud, "keys", key, **wish).json()
    cloud.call("DELETE", f"/api/v1/keys/{made['keyId']}", key=key)
    member = post(cloud, "memberships", key, userId="user-1", role="viewer").json()["membershipId"]
    cloud.call("DELETE", f"/api/v1/memberships/{member}", key=key)
    command = cloud.queue(recipient, "pause")
    entries = everything(cloud, f"organizations/{site.organization}/audit", key, 2)
    expected = [
        ("command.queued", command),
        ("member.removed", member),
        ("member.added", member),
        ("key.revoked", made["keyId"]),
        ("key.created", made["keyId"]),
        ("recipient.created", recipient),
    ]
    assert sorted((each["action"], each["subject"]) for each in entries) == sorted(expected)
    moments = [each["createdAt"] for each in entries]
    assert moments == sorted(moments, reverse=True)
    assert all(each["requestId"] and each["keyId"] and each["address"] for each in entries)
    text = str(cloud.backend.documents.query(Query("audit_log", [Where("organizationId", "==", site.organization)])))
    assert made["key"] not in text
    assert key not in text
    other = cloud.new_site()
    assert everything(cloud, f"organizations/{other.organization}/audit", other.organization_key, 5) == []


def test_the_operators_scopes_are_no_row_of_an_organizations(cloud: Cloud, site: Site) -> None:
    for row in rows().values():
        if row.http and row.auth == "key":
            for method in row.http.methods:
                if row.scope_for(method) in OPERATOR_SCOPES:
                    path = row.http.path
                    assert cloud.call(method, path, key=site.organization_key, json={}).status_code == 403


def test_a_site_shows_its_clients_latest_sign_of_life(cloud: Cloud, site: Site) -> None:
    request: dict[str, Any] = {"key": site.organization_key, "headers": {"Idempotency-Key": "attic"}}
    body = {"name": "Attic", "recipientId": f"{site.organization}-attic"}
    made = cloud.call("POST", "/api/v1/recipients", json=body, **request).json()
    assert (made["lastSeenAt"], made["clientVersion"]) == (None, None)
    beat = {"recipientId": made["recipientId"], "clientVersion": "1.4.2"}
    began = datetime.now(UTC).replace(microsecond=0)
    assert cloud.call("POST", "/api/heartbeat", key=site.organization_key, json=beat).status_code == 200
    again = cloud.call("POST", "/api/v1/recipients", json=body, **request).json()
    listed = everything(cloud, "recipients", site.organization_key, 200)[0]
    for shown in (again, listed):
        assert began <= datetime.fromisoformat(shown["lastSeenAt"]) <= datetime.now(UTC)
        assert shown["clientVersion"] == "1.4.2"
