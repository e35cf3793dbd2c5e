"""Who may do what with a bearer token: each role as its scopes say, and nobody of another organization anything."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from printpipe.domain.scopes import ROLES
from printpipe.runtime.binding import operations
from printpipe.runtime.catalog import Face, rows
from tests.cloud import Cloud, Site
from tests.contract.refusals import LIVE, assert_is_refusal, is_of_whoever_asks, secrets_of, told
from tests.contract.wire_client import send, variables_before
from tests.contract.wire_examples import fill, keyed_example

ONE_BACKEND_AT_REDUCED_COUNTS = True

OFFERED = {
    f"{face.name}-{method}": (row, face, method)
    for row in rows().values()
    if row.http
    for face in row.faces
    if face.auth in ("jwt", "either", "ticket") and face.name not in LIVE
    for method in row.http.methods
}
"""What takes a token."""

SHARED = {face.name for row, face, _ in OFFERED.values() if row.bearer == face.name}
"""What an API key reaches in another dialect."""

NAMED = "organizationId"


@dataclass(frozen=True)
class Attempt:
    """The request of a face's wire example, with what it needs in place in an organization of its own.

    `secret` is what that organization has by then and the request does not say.
    """

    cloud: Cloud
    site: Site
    step: Mapping[str, Any]
    variables: Mapping[str, str]
    has_body: bool
    secret: frozenset[str]
    dialect: str

    @property
    def unclear(self) -> int:
        """The dialect's status for a request that lacks something."""
        return 422 if self.dialect == "printernizer" else 400

    def call(self, organization: str | None = None, **credential: Any) -> requests.Response:
        """Makes the call with this token or key alone; it names that organization, or none."""
        step = _naming(self.step, organization, self.has_body)
        return send(self.cloud, step, self.variables, **{"key": None, "token": None, **credential})

    def call_in_the_query(self, organization: str, token: str) -> requests.Response:
        """Makes the call; the organization is named in the query."""
        request = fill(_naming(self.step, None, self.has_body)["request"], self.variables)
        body, path = request.get("json"), request["path"]
        return self.cloud.call(request["method"], path, token=token, json=body, params={NAMED: organization})

    def assert_refused(self, answer: requests.Response, *statuses: int) -> None:
        """It was, in the dialect's form, and the answer tells nothing that the request does not say."""
        assert_is_refusal(answer, self.dialect, *statuses)
        self.assert_tells_nothing(answer)

    def assert_tells_nothing(self, answer: requests.Response) -> None:
        """The answer has nothing of the organization's in it that the request does not say."""
        assert [each for each in self.secret if each in told(answer)] == [], told(answer)

    def stored(self) -> dict[str, Any]:
        """The organization's documents by path."""
        return self.cloud.stored(self.site.organization)


def _naming(step: Mapping[str, Any], organization: str | None, has_body: bool) -> dict[str, Any]:
    """The step, that names this organization where it can be named, or none at all."""
    request = dict(step["request"])
    path, _, query = request["path"].partition("?")
    named = {} if organization is None else {NAMED: organization}
    rest = [each for each in query.split("&") if each and not each.startswith(f"{NAMED}=")]
    if has_body:
        request["json"] = {name: value for name, value in request.get("json", {}).items() if name != NAMED} | named
    else:
        rest += [f"{name}={value}" for name, value in named.items()]
    return {**step, "request": {**request, "path": "?".join(filter(None, [path, "&".join(rest)]))}}


def _attempt(cloud: Cloud, offered: str) -> Attempt:
    row, face, method = OFFERED[offered]
    assert row.http is not None
    site, step = cloud.new_site(), keyed_example(face.name, method, row.http.path)
    variables = variables_before(cloud, site, face.name, step)
    has_body = operations(row, face)[method].body is not None
    secret = secrets_of(face.name, step, variables, _naming(step, None, has_body))
    return Attempt(cloud, site, step, variables, has_body, frozenset(secret), face.dialect)


def _token(cloud: Cloud, organization: str, role: str) -> str:
    """A token of a user whose calls are counted for this organization alone."""
    return cloud.token(organization, role, f"user-{organization}")


def _may(role: str, offered: str) -> bool:
    row, _, method = OFFERED[offered]
    return row.scope_for(method) in ROLES[role]


@pytest.mark.parametrize("offered", OFFERED)
def test_a_role_is_good_for_its_scopes_and_no_more(cloud: Cloud, offered: str) -> None:
    attempt, method = _attempt(cloud, offered), OFFERED[offered][2]
    for role in ROLES:
        user = f"user-{secrets.token_hex(5)}"
        _join(attempt, user, role)
        organization, before = attempt.site.organization, attempt.stored()
        theirs = cloud.token(None, "admin", user)  # no organization gave it that role
        if _may(role, offered):
            _assert_works(attempt.call(token=_token(cloud, organization, role)), attempt)
            attempt = attempt if method == "GET" else _attempt(cloud, offered)
        else:
            attempt.assert_refused(attempt.call(token=_token(cloud, organization, role)), 403)
            attempt.assert_refused(attempt.call(organization, token=theirs), 403)
            assert attempt.stored() == before
    member = _member(attempt, offered)
    _assert_works(attempt.call(token=cloud.token(attempt.site.organization, None, member)), attempt)


@pytest.mark.parametrize("offered", OFFERED)
def test_a_membership_does_for_a_token_of_no_organization(cloud: Cloud, offered: str) -> None:
    attempt = _attempt(cloud, offered)
    token = cloud.token(None, None, _member(attempt, offered))
    attempt.assert_refused(attempt.call(token=token), attempt.unclear)
    attempt.assert_refused(attempt.call(cloud.new_site().organization, token=token), 403)
    _assert_works(attempt.call(attempt.site.organization, token=token), attempt)


def _assert_works(answer: requests.Response, attempt: Attempt) -> None:
    assert answer.status_code == attempt.step["response"]["status"], answer.text


def _member(attempt: Attempt, offered: str) -> str:
    """A new member of the organization: an operator, unless only its administrators may do this."""
    user = f"user-{secrets.token_hex(5)}"
    _join(attempt, user, "operator" if _may("operator", offered) else "admin")
    return user


def _join(attempt: Attempt, user: str, role: str) -> None:
    body = {"userId": user, "role": role}
    joined = attempt.cloud.call("POST", "/api/v1/memberships", key=attempt.site.organization_key, json=body)
    assert joined.status_code == 201, joined.text


@pytest.mark.parametrize("offered", OFFERED)
def test_nobody_else_gets_or_changes_anything(cloud: Cloud, offered: str) -> None:
    _, face, _ = OFFERED[offered]
    attempt, other = _attempt(cloud, offered), cloud.new_site()
    ours, before = attempt.site.organization, attempt.stored()
    admin, homeless = _token(cloud, ours, "admin"), cloud.token(None, "admin", f"nobody-{ours}")
    for role in ROLES:
        token = _token(cloud, other.organization, role)
        if _may(role, offered):
            _assert_finds_nothing(attempt, face, attempt.call(token=token))
        else:
            attempt.assert_refused(attempt.call(token=token), 403)
        attempt.assert_refused(attempt.call(ours, token=token), 403)
        member = _token(cloud, ours, role)
        attempt.assert_refused(attempt.call(other.organization, token=member), 403)
        attempt.assert_refused(attempt.call_in_the_query(ours, token), 403)
        attempt.assert_refused(attempt.call_in_the_query(other.organization, member), 403)
    attempt.assert_refused(attempt.call(token=homeless), attempt.unclear)
    attempt.assert_refused(attempt.call(ours, token=homeless), 403)
    attempt.assert_refused(attempt.call(token=f"{admin}x"), 401)
    if face.name not in SHARED:
        attempt.assert_refused(attempt.call(), 401)
        if face.auth == "jwt":
            attempt.assert_refused(attempt.call(key=attempt.site.organization_key), 401)
        attempt.assert_refused(attempt.call(key=attempt.site.organization_key, token=admin), 401)
    assert attempt.stored() == before


def _assert_finds_nothing(attempt: Attempt, face: Face, answer: requests.Response) -> None:
    """What names one thing of ours is not found, and a list is empty; a new thing is the caller's own."""
    attempt.assert_tells_nothing(answer)
    if is_of_whoever_asks(face.name) and answer.ok:
        lists = [each for each in answer.json().values() if isinstance(each, list)]
        assert not face.name.endswith("-list") or not any(lists)
    else:
        attempt.assert_refused(answer, 404)


def test_a_body_without_a_length_names_its_organization_too(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.agent_recipient)
    token, other = cloud.token(site.organization), cloud.new_site()
    job = cloud.call("POST", "/api/print-jobs", token=token, json={"product_id": "PROD-55"}).json()["id"]
    for path in (f"/api/print-jobs/{job}/send", f"/api/print-jobs/{job}/cancel"):
        body = iter([json.dumps({"organizationId": other.organization}).encode()])
        headers = {"Content-Type": "application/json"}
        assert cloud.call("POST", path, token=token, data=body, headers=headers).status_code == 403
    body = iter([json.dumps({"organizationId": other.organization}).encode()])
    headers = {"Content-Type": "application/json"}
    assert cloud.call("DELETE", f"/api/print-jobs/{job}", token=token, data=body, headers=headers).status_code == 403
    twice = f"/api/print-jobs/{job}?organizationId={site.organization}&organizationId={other.organization}"
    assert cloud.call("GET", twice, token=token).status_code == 400
    assert cloud.call("GET", f"/api/print-jobs/{job}", token=token).json()["status"] == "pending"
