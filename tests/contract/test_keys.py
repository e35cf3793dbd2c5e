"""API keys: shown once, two at a time, ended everywhere within the time that is promised."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.secret_manager import SecretManager
from printpipe.domain.ports.documents import Document, Query, Update, Where
from tests.cloud import Cloud, Site, running
from tests.counts import count

ONE_BACKEND_AT_REDUCED_COUNTS = True

MEMORY = 1.0
"""Seconds that the short-lived instances remember keys."""

SECRET = "api-keys"
OLD = "an-operators-key-in-the-secret"


def create(cloud: Cloud, site: Site, *, key: str | None = None, once: str | None = None, **body: Any) -> Any:
    """POST /api/v1/keys, by default for the LAN client as the organization's administrator."""
    wish = {"name": "LAN client", "scopes": ["client"], "recipientIds": [site.lan_recipient], **body}
    headers = {"Idempotency-Key": once} if once else {}
    return cloud.call("POST", "/api/v1/keys", key=key or site.organization_key, json=wish, headers=headers)


def revoke(cloud: Cloud, site: Site, key_id: str) -> Any:
    return cloud.call("DELETE", f"/api/v1/keys/{key_id}", key=site.organization_key)


def polls(cloud: Cloud, site: Site, key: str) -> int:
    """The status that the LAN client's poll is answered with."""
    return cloud.call("GET", f"/control?recipientId={site.lan_recipient}", key=key).status_code


def of_organization(cloud: Cloud, site: Site, collection: str) -> Sequence[Document]:
    return cloud.backend.documents.query(Query(collection, [Where("organizationId", "==", site.organization)]))


def test_a_key_is_stored_nowhere(cloud: Cloud, site: Site) -> None:
    made = create(cloud, site, once="a-key").json()
    assert made["key"].startswith("pp_")
    assert len(made["key"]) == 46
    assert polls(cloud, site, made["key"]) == 200
    for collection in ("api_keys", "idempotency_keys", "audit_log"):
        documents = of_organization(cloud, site, collection)
        assert documents
        assert made["key"] not in str(documents)
    listed = cloud.call("GET", "/api/v1/keys", key=site.organization_key)
    assert made["key"] not in listed.text
    assert made["key"] not in cloud.log.read_text()


def test_a_client_is_changed_over_with_two_live_keys(cloud: Cloud, site: Site) -> None:
    first, second = create(cloud, site).json(), create(cloud, site).json()
    assert [polls(cloud, site, each["key"]) for each in (first, second)] == [200, 200]
    third = create(cloud, site)
    assert (third.status_code, third.json()["error_type"]) == (409, "ConflictError")
    assert "revoke" in third.json()["message"]
    assert first["keyId"] in third.json()["detail"]
    assert revoke(cloud, site, first["keyId"]).status_code == 200
    assert create(cloud, site).status_code == 201
    assert create(cloud, site).status_code == 409
    assert create(cloud, site, recipientIds=[site.agent_recipient]).status_code == 201
    assert create(cloud, site, scopes=["read"]).status_code == 201


def test_concurrent_creations_never_make_a_third(cloud: Cloud) -> None:
    for _ in range(count(20, quick=2)):
        site = cloud.new_site()
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: create(cloud, site), range(6)))  # noqa: B023 (ends within the round)
        assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
        live = [each for each in of_organization(cloud, site, "api_keys") if each.data["scopes"] == ["client"]]
        assert len(live) == 2


def test_the_same_call_at_the_same_time_makes_one_key(cloud: Cloud, site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: create(cloud, site, once="once"), range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["key"] for answer in answers}) == 1
    assert len([each for each in of_organization(cloud, site, "api_keys") if each.data["scopes"] == ["client"]]) == 1
    assert len(of_organization(cloud, site, "audit_log")) == 1


def test_a_repetition_is_told_the_key_for_a_day(cloud: Cloud, site: Site) -> None:
    first = create(cloud, site, once="again")
    assert create(cloud, site, once="again").json() == first.json()
    assert create(cloud, site, once="again", name="Another").status_code == 409
    (receipt,) = of_organization(cloud, site, "idempotency_keys")
    left = receipt.data["expiresAt"] - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    cloud.backend.documents.commit(Update(receipt.path, {"createdAt": datetime.now(UTC) - timedelta(hours=25)}))
    late = create(cloud, site, once="again")
    assert (late.status_code, late.json()["detail"]) == (409, "Idempotency-Key")
    assert first.json()["key"] not in late.text


def test_one_idempotency_key_of_two_tenants_is_two(cloud: Cloud, site: Site) -> None:
    other = cloud.new_site()
    mine, theirs = create(cloud, site, once="shared"), create(cloud, other, once="shared")
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["key"] != theirs.json()["key"]


def test_a_revocation_is_final_and_told_alike(cloud: Cloud, site: Site) -> None:
    made = create(cloud, site).json()
    first = revoke(cloud, site, made["keyId"])
    assert first.json()["revokedAt"]
    assert revoke(cloud, site, made["keyId"]).json() == first.json()
    actions = [each.data["action"] for each in of_organization(cloud, site, "audit_log")]
    assert sorted(actions) == ["key.created", "key.revoked"]
    assert polls(cloud, site, made["key"]) == 401


@dataclass(frozen=True)
class Instance:
    """One more gateway over the same backend, which remembers keys for a second, and the secret that it reads."""

    cloud: Cloud
    put_secret: Callable[[bytes], None]
    manager: SecretManager


@pytest.fixture(scope="module")
def other(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    environment = cloud.backend.environment
    with SecretManager() as manager:

        def put(value: bytes) -> None:
            if cloud.backend.embedded:
                folder = Path(environment["PRINTPIPE_DATA_DIR"]) / "secrets"
                folder.mkdir(exist_ok=True)
                (folder / SECRET).write_bytes(value)
            else:
                manager.add(f"projects/{environment['GCP_PROJECT_ID']}/secrets/{SECRET}", value)

        put(OLD.encode())
        settings = {"API_KEY_CACHE_SECONDS": str(MEMORY), "SECRET_MANAGER_API_KEYS": SECRET}
        settings["SECRET_MANAGER_EMULATOR_HOST"] = manager.host
        with running(cloud.backend, tmp_path_factory.mktemp("other"), **settings) as gateway:
            yield Instance(gateway, put, manager)


def seconds_until(status: int, ask: Callable[[], int], since: float) -> float:
    """How long after `since` the status came; AssertionError where it does not come."""
    while time.monotonic() - since < 20:
        asked = time.monotonic()
        if ask() == status:
            return asked - since
        time.sleep(0.05)
    raise AssertionError(f"{status} did not come")


def test_a_key_that_one_instance_revokes_ends_in_the_other(cloud: Cloud, site: Site, other: Instance) -> None:
    made = create(cloud, site).json()
    assert polls(other.cloud, site, made["key"]) == 200
    assert revoke(cloud, site, made["keyId"]).status_code == 200
    ended = time.monotonic()
    assert seconds_until(401, lambda: polls(other.cloud, site, made["key"]), ended) <= MEMORY + 1


def test_keys_of_the_secret_are_the_operators_and_change_with_it(other: Instance) -> None:
    new = secrets.token_urlsafe(24)

    def ask(key: str) -> int:
        return other.cloud.call("GET", "/api/v1/organizations?limit=1", key=key).status_code

    assert ask(OLD) == 200
    other.put_secret(f"third-key,\n{new}\n".encode())
    changed = time.monotonic()
    assert seconds_until(401, lambda: ask(OLD), changed) <= MEMORY + 1
    assert ask(new) == 200


def test_an_outage_of_secret_manager_is_503_in_time(cloud: Cloud, other: Instance) -> None:
    if cloud.backend.embedded:
        pytest.skip("the embedded secrets are files")

    def ask() -> Any:
        return other.cloud.call("GET", "/api/v1/organizations?limit=1", key=secrets.token_hex())

    other.manager.go_down()
    assert seconds_until(503, lambda: int(ask().status_code), time.monotonic()) < 10
    answer = ask()
    assert (answer.json()["error_type"], answer.headers["Retry-After"]) == ("UnavailableError", "5")
    assert other.cloud.call("GET", "/api/v1/organizations?limit=1", key=other.cloud.operator_key).status_code == 200
    other.manager.come_back()
