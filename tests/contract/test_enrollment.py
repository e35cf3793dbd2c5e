"""Enrolment of agents: a code is good once, for ten minutes, for one site; and what the agent then pulls with."""

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.seeding import subscription
from printpipe.domain.enrollment import digest_of
from printpipe.domain.ports.documents import Document, Query, Update, Where
from printpipe.domain.pubsub import service_account
from tests.cloud import Cloud, Site, running
from tests.contract.refusals import assert_is_refusal
from tests.iam_credentials import TOKEN, IamCredentials

ONE_BACKEND_AT_REDUCED_COUNTS = True

CODES, ENROLL, PULL = "/api/v1/agents/enrollment-codes", "/api/v1/agents/enroll", "/api/agent/pubsub-token"


def ask(cloud: Cloud, site: Site, recipient: str | None = None, *, key: str | None = None, **more: Any) -> Any:
    """Asks for a code, by default for the agent's site as its organization's administrator."""
    body = {"recipientId": recipient or site.agent_recipient, **more}
    return cloud.call("POST", CODES, key=key or site.organization_key, json=body)


def code_of(cloud: Cloud, site: Site, recipient: str | None = None, **more: Any) -> str:
    made = ask(cloud, site, recipient, **more)
    assert made.status_code == 201, made.text
    return str(made.json()["code"])


def enroll(cloud: Cloud, code: str, **more: Any) -> requests.Response:
    return cloud.call("POST", ENROLL, json={"code": code, "agentVersion": "0.1.0", "hostname": "raspberrypi"}, **more)


def enrolled(cloud: Cloud, site: Site, recipient: str | None = None) -> dict[str, Any]:
    answer = enroll(cloud, code_of(cloud, site, recipient))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def polls(cloud: Cloud, recipient: str, key: str) -> int:
    return cloud.call("GET", f"/control?recipientId={recipient}", key=key).status_code


def token_for(cloud: Cloud, recipient: str, key: str) -> requests.Response:
    return cloud.call("POST", PULL, key=key, json={"recipientId": recipient})


def of_organization(cloud: Cloud, site: Site, collection: str) -> Sequence[Document]:
    return cloud.backend.documents.query(Query(collection, [Where("organizationId", "==", site.organization)]))


def revoked(cloud: Cloud, site: Site) -> dict[str, bool]:
    return {each.id[:16]: each.data["revokedAt"] is not None for each in of_organization(cloud, site, "api_keys")}


def test_a_code_is_traded_once_for_a_key_of_its_site(cloud: Cloud, site: Site) -> None:
    made = ask(cloud, site, name="Hall 2").json()
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", made["code"])
    left = datetime.fromisoformat(made["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=9, seconds=50) < left <= timedelta(minutes=10)
    assert made["command"] == f"printpipe-agent enroll {made['code']} --url {cloud.base_url}"
    first, second = enroll(cloud, made["code"]), enroll(cloud, made["code"])
    assert (first.status_code, second.status_code) == (201, 404)
    told = first.json()
    assert (told["recipientId"], told["organizationId"]) == (site.agent_recipient, site.organization)
    assert polls(cloud, site.agent_recipient, told["apiKey"]) == 200
    assert polls(cloud, site.lan_recipient, told["apiKey"]) == 403
    (key,) = [each for each in of_organization(cloud, site, "api_keys") if each.data["name"] == "Hall 2"]
    assert (key.data["scopes"], key.data["recipientIds"]) == (["client"], [site.agent_recipient])
    actions = {each.data["action"]: each.data for each in of_organization(cloud, site, "audit_log")}
    assert sorted(actions) == ["agent.enrolled", "enrollment_code.created"]
    assert actions["agent.enrolled"]["subject"] == told["keyId"]
    assert "0.1.0" in actions["agent.enrolled"]["detail"]


def test_of_many_that_come_with_one_code_one_gets_a_key(cloud: Cloud, site: Site) -> None:
    code = code_of(cloud, site)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: enroll(cloud, code).status_code, range(8)))
    assert sorted(answers) == [201, *[404] * 7]
    assert len([each for each in of_organization(cloud, site, "api_keys") if each.data.get("enrolled")]) == 1


def test_every_code_that_is_none_is_answered_alike(cloud: Cloud, site: Site) -> None:
    used, late, good = (code_of(cloud, site) for _ in range(3))
    assert enroll(cloud, used).status_code == 201
    (stored,) = [each for each in of_organization(cloud, site, "enrollment_codes") if each.id == digest_of(late)]
    cloud.backend.documents.commit(Update(stored.path, {"expiresAt": datetime.now(UTC) - timedelta(milliseconds=1)}))
    wrong = ["0000-0000-0000", good[:-1], f"{good}0", "x", "../x", "é", stored.id, site.organization_key]
    answers = [enroll(cloud, code) for code in (used, late, *wrong)]
    for answer in answers:
        assert_is_refusal(answer, "cloud", 404)
    assert len({answer.text for answer in answers}) == 1
    assert enroll(cloud, good).status_code == 201


def test_a_code_may_be_typed_as_it_was_heard(cloud: Cloud, site: Site) -> None:
    code = code_of(cloud, site)
    heard = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert enroll(cloud, heard).status_code == 201


def test_a_code_is_for_a_site_of_its_makers_own(cloud: Cloud, site: Site) -> None:
    other = cloud.new_site()
    assert ask(cloud, site, key=other.organization_key).status_code == 404
    assert ask(cloud, site, key=site.lan_key).status_code == 403
    assert ask(cloud, site, "no-such-site").status_code == 404
    by_client = cloud.new_key(site.organization, [site.agent_recipient], ["client"])
    by_half = cloud.new_key(site.organization, None, ["agents.enroll"])
    assert [ask(cloud, site, key=key).status_code for key in (by_client, by_half)] == [403, 403]
    assert ask(cloud, site, name="operator").status_code == 400
    assert of_organization(cloud, site, "enrollment_codes") == []
    by_admin = cloud.new_key(site.organization, [site.agent_recipient], ["admin"])
    assert ask(cloud, site, key=by_admin).status_code == 201
    assert ask(cloud, site, key=cloud.operator_key).status_code == 201


def test_a_code_is_worth_nothing_at_a_site_that_has_become_anothers(cloud: Cloud, site: Site) -> None:
    code, other = code_of(cloud, site), cloud.new_site()
    path = f"recipients/{site.agent_recipient}"
    cloud.backend.documents.commit(Update(path, {"organizationId": other.organization}))
    assert_is_refusal(enroll(cloud, code), "cloud", 404)
    cloud.backend.documents.commit(Update(path, {"organizationId": site.organization}))
    assert enroll(cloud, code).status_code == 201


def test_enrolment_makes_the_site_an_agents(cloud: Cloud, site: Site) -> None:
    code = code_of(cloud, site, site.lan_recipient)
    assert cloud.document(f"recipients/{site.lan_recipient}").data["client"] == "lan_client"
    assert enroll(cloud, code).status_code == 201
    assert cloud.document(f"recipients/{site.lan_recipient}").data["client"] == "agent"


def test_a_site_that_was_asked_for_before_its_enrolment_is_its_agents_at_once(cloud: Cloud, site: Site) -> None:
    """The functions remember for a while who a site's client is."""
    recipient, listed = site.lan_recipient, f"/api/agent/printers?recipientId={site.lan_recipient}"
    assert_is_refusal(token_for(cloud, recipient, site.lan_key), "cloud", 403)
    assert_is_refusal(cloud.call("GET", listed, key=site.lan_key), "cloud", 403)
    key = enrolled(cloud, site, recipient)["apiKey"]
    assert token_for(cloud, recipient, key).status_code == 200
    assert cloud.call("GET", listed, key=key).status_code == 200


def test_a_third_enrolment_ends_the_first_key(cloud: Cloud, site: Site) -> None:
    keys = [enrolled(cloud, site)["keyId"] for _ in range(3)]
    ended = revoked(cloud, site)
    assert [ended[each] for each in keys] == [True, False, False]
    actions = [each.data["action"] for each in of_organization(cloud, site, "audit_log")]
    assert actions.count("key.revoked") == 1
    site_document = cloud.document(f"recipients/{site.agent_recipient}")
    assert [each[:16] for each in site_document.data["clientKeys"]] == keys[1:]


def test_keys_that_people_made_are_not_ended(cloud: Cloud, site: Site) -> None:
    wish = {"name": "By hand", "scopes": ["client"], "recipientIds": [site.agent_recipient]}
    made = [cloud.call("POST", "/api/v1/keys", key=site.organization_key, json=wish).json() for _ in range(2)]
    code = code_of(cloud, site)
    refused = enroll(cloud, code)
    assert_is_refusal(refused, "cloud", 409)
    assert made[0]["keyId"] in refused.json()["detail"]
    gone = cloud.call("DELETE", f"/api/v1/keys/{made[0]['keyId']}", key=site.organization_key)
    assert gone.status_code == 200
    assert enroll(cloud, code).status_code == 201, "the code was not used up"
    another = enrolled(cloud, site)
    ended = revoked(cloud, site)
    assert (ended[made[1]["keyId"]], ended[another["keyId"]]) == (False, False)


def test_neither_code_nor_key_nor_token_is_stored_or_logged(cloud: Cloud, site: Site) -> None:
    code = ask(cloud, site).json()["code"]
    told = enroll(cloud, code).json()
    again = ask(cloud, site, name="kept").json()["code"]
    given = token_for(cloud, site.agent_recipient, told["apiKey"]).json()["pubsub"]
    secret = [code, code.replace("-", ""), again, again.replace("-", ""), told["apiKey"]]
    secret += [given["accessToken"]] if given else []
    stored = repr(cloud.stored(site.organization)) + cloud.log.read_text()
    assert [each for each in secret if each in stored] == []


def test_a_repetition_is_told_the_same_code_until_it_is_used(cloud: Cloud, site: Site) -> None:
    def make() -> requests.Response:
        body, headers = {"recipientId": site.agent_recipient}, {"Idempotency-Key": "a-code"}
        return cloud.call("POST", CODES, key=site.organization_key, json=body, headers=headers)

    first, second = make(), make()
    assert first.json() == second.json()
    assert enroll(cloud, first.json()["code"]).status_code == 201
    assert make().status_code == 409


def test_attempts_are_counted_by_address(cloud: Cloud) -> None:
    def remaining(address: str) -> int:
        answer = enroll(cloud, "0000-0000-0000", headers={"X-Forwarded-For": address})
        assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (404, "1000")
        return int(answer.headers["X-RateLimit-Remaining"])

    mark = time.time_ns() % 200
    first, other = f"203.0.113.{mark}", f"198.51.100.{mark}"
    begun = remaining(first)
    assert remaining(first) == begun - 1
    remaining(other)
    assert remaining(first) == begun - 2


def test_a_token_is_for_the_subscriptions_of_its_site(cloud: Cloud, site: Site) -> None:
    told = enrolled(cloud, site)
    answer = token_for(cloud, site.agent_recipient, told["apiKey"])
    assert answer.status_code == 200
    given = answer.json()["pubsub"]
    if cloud.backend.embedded:
        assert (given, told["pubsub"]) == (None, None)
        return
    assert told["pubsub"] == {name: given[name] for name in told["pubsub"]}
    assert given.keys() == {*told["pubsub"], "accessToken", "expiresAt"}
    assert given["project"] == cloud.backend.environment["GCP_PROJECT_ID"]
    assert given["subscriptionNormal"] == subscription(site.agent_recipient, "normal")
    assert given["subscriptionPriority"] == subscription(site.agent_recipient, "priority")
    assert timedelta() < datetime.fromisoformat(given["expiresAt"]) - datetime.now(UTC) <= timedelta(hours=1)


def test_who_has_no_business_there_gets_no_token(cloud: Cloud, site: Site) -> None:
    recipient = site.agent_recipient
    ended = cloud.new_key(site.organization, [recipient], ["client"])
    (stored,) = [each for each in of_organization(cloud, site, "api_keys") if each.data["scopes"] == ["client"]]
    cloud.backend.documents.commit(Update(stored.path, {"revokedAt": datetime.now(UTC)}))
    other = cloud.new_site()
    app = cloud.new_key(site.organization, None, ["app"])
    refusals = {ended: 401, "no-such-key": 401, other.agent_key: 404, site.lan_key: 403, app: 403}
    for key, status in refusals.items():
        assert_is_refusal(token_for(cloud, recipient, key), "cloud", status)
    assert_is_refusal(token_for(cloud, site.lan_recipient, site.lan_key), "cloud", 403)


@pytest.fixture(scope="module")
def iam() -> Iterator[IamCredentials]:
    with IamCredentials() as server:
        yield server


@pytest.fixture(scope="module")
def google_cloud_with_iam(
    google_cloud: Cloud, iam: IamCredentials, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("iam")
    with running(google_cloud.backend, folder, IAM_CREDENTIALS_EMULATOR_HOST=iam.host) as cloud:
        yield cloud


@pytest.mark.emulators
def test_tokens_are_of_the_sites_own_account(google_cloud_with_iam: Cloud, iam: IamCredentials) -> None:
    cloud, site = google_cloud_with_iam, google_cloud_with_iam.new_site()
    iam.mood = "well"
    given = token_for(cloud, site.agent_recipient, site.agent_key).json()["pubsub"]
    assert given["accessToken"] == TOKEN
    path, _ = iam.asked[-1]
    project = cloud.backend.environment["GCP_PROJECT_ID"]
    assert f"/{service_account(site.agent_recipient)}@{project}.iam.gserviceaccount.com:" in path
    assert TOKEN not in cloud.log.read_text()


@pytest.mark.emulators
@pytest.mark.parametrize("mood", ["down", "silent", "refusing"])
def test_without_a_token_the_answer_is_503_in_time(
    google_cloud_with_iam: Cloud, iam: IamCredentials, mood: Any
) -> None:
    cloud, site = google_cloud_with_iam, google_cloud_with_iam.new_site()
    iam.mood, began = mood, time.monotonic()
    answer = token_for(cloud, site.agent_recipient, site.agent_key)
    assert_is_refusal(answer, "cloud", 503)
    assert time.monotonic() - began < 10
    assert "Retry-After" in answer.headers
