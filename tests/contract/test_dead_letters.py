"""What functions did not take, over HTTP: who sees it, who is alerted, how it is delivered again."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from local.messages import posted_event
from local.schedules import post
from tests.cloud import Cloud, Site

FUNCTION = "trigger-job-counted"
STORE = "trigger-dead-letter-stored"
LETTERS = "/api/v1/dead-letters"


@dataclass
class Poison:
    """A message that a function does not take."""

    cloud: Cloud
    organization: str
    data: bytes
    event_id: str = field(default_factory=lambda: secrets.token_hex(8))

    def fails(self) -> None:
        """Is delivered to the function once."""
        with pytest.raises(RuntimeError, match="500"):
            self._deliver(FUNCTION, {})

    def dies(self, **more: str) -> None:
        """Is given up, as Pub/Sub does after five attempts."""
        source = "CloudPubSubDeadLetterSource"
        self._deliver(STORE, {f"{source}Subscription": FUNCTION, f"{source}DeliveryCount": "5", **more})

    def letters(self, query: str = "", **credential: Any) -> Any:
        """What is shown of it."""
        answer = self.cloud.call("GET", f"{LETTERS}?organizationId={self.organization}{query}", **credential)
        assert answer.status_code == 200, answer.text
        return answer.json()["deadLetters"]

    def alerts(self) -> int:
        """How many lines of the log say that it died."""
        lines = [json.loads(line) for line in self.cloud.log.open("rb") if b"message_dead_lettered" in line]
        return sum(line["severity"] == "ERROR" and line["organizationId"] == self.organization for line in lines)

    def _deliver(self, function: str, more: Mapping[str, str]) -> None:
        attributes = {"eventId": self.event_id, "organization": self.organization, "type": "job_created", **more}
        now = datetime.now(UTC)
        post(
            self.cloud.base_url,
            posted_event(function, "local", "job-events", self.data, attributes, secrets.token_hex(8), now),
        )


@pytest.fixture
def poison(cloud: Cloud, site: Site) -> Poison:
    return Poison(cloud, site.organization, b"\xff not { JSON")


def call(cloud: Cloud, method: str, letter: Mapping[str, Any], key: str, **more: Any) -> requests.Response:
    path = f"{LETTERS}/{letter['deadLetterId']}{'/replay' if method == 'POST' else ''}"
    return cloud.call(method, path, key=key, **more)


def test_a_message_that_nobody_can_read_is_kept_with_its_error(cloud: Cloud, site: Site, poison: Poison) -> None:
    for _ in range(2):
        poison.fails()
    assert poison.letters(key=site.organization_key) == []
    (failing,) = poison.letters("&status=failing", key=site.organization_key)
    assert (failing["status"], failing["attempts"], failing["diedAt"]) == ("failing", 2, None)
    assert poison.alerts() == 0

    for _ in range(3):
        poison.dies()

    (letter,) = poison.letters(key=site.organization_key)
    assert (letter["status"], letter["attempts"], letter["message"], letter["size"]) == ("dead", 5, None, 12)
    assert letter["error"].startswith("ValidationError: ")
    assert (letter["function"], letter["kind"], letter["eventId"]) == (FUNCTION, "job_created", poison.event_id)
    assert poison.alerts() == 1
    assert poison.letters("&function=trigger-file-read", key=site.organization_key) == []


def test_one_that_nobody_can_read_is_replayed_and_removed_too(cloud: Cloud, site: Site, poison: Poison) -> None:
    poison.dies()
    Poison(cloud, site.organization, poison.data).dies()
    one, other = poison.letters(key=site.organization_key)

    replayed = call(cloud, "POST", one, site.organization_key)
    assert (replayed.status_code, replayed.json()["status"], replayed.json()["replays"]) == (200, "replayed", 1)
    assert call(cloud, "DELETE", other, site.organization_key).status_code == 200
    assert call(cloud, "DELETE", other, site.organization_key).status_code == 404

    audit = cloud.call("GET", f"/api/v1/organizations/{site.organization}/audit", key=site.organization_key).json()
    done = {each["action"]: each["subject"] for each in audit["entries"]}
    assert done == {"dead_letter.replayed": one["deadLetterId"], "dead_letter.removed": other["deadLetterId"]}


def test_one_that_is_not_taken_when_it_is_replayed_dies_again(cloud: Cloud, site: Site, poison: Poison) -> None:
    poison.dies()
    (letter,) = poison.letters(key=site.organization_key)
    assert call(cloud, "POST", letter, site.organization_key).json()["status"] == "replayed"

    for _ in range(2):
        poison.dies(only=FUNCTION, replay="1")

    (again,) = poison.letters(key=site.organization_key)
    assert (again["deadLetterId"], again["status"], again["replays"]) == (letter["deadLetterId"], "dead", 1)
    assert poison.alerts() == 2


@pytest.mark.parametrize("cloud", [pytest.param("google", marks=pytest.mark.emulators)], indirect=True)
def test_a_replay_is_for_the_one_function_and_as_it_was(cloud: Cloud, site: Site, poison: Poison) -> None:
    watch = f"watch-{secrets.token_hex(4)}"
    cloud.backend.create_subscription(watch, "job-events")
    poison.dies()
    (letter,) = poison.letters(key=site.organization_key)
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        assert call(cloud, "POST", letter, site.organization_key, headers=headers).status_code == 200

    (message,) = cloud.backend.bus.pull(watch, 10, 5.0)
    assert message.data == poison.data
    assert message.attributes == {
        "eventId": poison.event_id,
        "organization": site.organization,
        "type": "job_created",
        "only": FUNCTION,
        "replay": "1",
    }


def test_another_organization_neither_sees_nor_touches_it(cloud: Cloud, site: Site, poison: Poison) -> None:
    poison.dies()
    (letter,) = poison.letters(key=site.organization_key)
    stranger = cloud.new_site()

    assert cloud.call("GET", LETTERS, key=stranger.organization_key).json()["deadLetters"] == []
    answer = cloud.call("GET", f"{LETTERS}?organizationId={site.organization}", key=stranger.organization_key)
    assert answer.status_code == 404
    for method in ("POST", "DELETE"):
        assert call(cloud, method, letter, stranger.organization_key).status_code == 404
        assert call(cloud, method, letter, site.agent_key).status_code == 403
    assert cloud.call("GET", LETTERS, key=site.agent_key).status_code == 403
    assert poison.letters(key=site.organization_key) == [letter]


def test_it_is_for_administrators_alone(cloud: Cloud, site: Site, poison: Poison) -> None:
    poison.dies()
    (letter,) = poison.letters(key=cloud.new_key(site.organization, None, ["admin"]))
    for scopes in (["app"], ["read"], ["dead_letters.read"]):
        key = cloud.new_key(site.organization, None, scopes)
        reading = cloud.call("GET", LETTERS, key=key).status_code
        assert reading == (200 if scopes == ["dead_letters.read"] else 403)
        for method in ("POST", "DELETE"):
            assert call(cloud, method, letter, key).status_code == 403


def test_pages_follow_each_other(cloud: Cloud, site: Site) -> None:
    for number in range(3):
        Poison(cloud, site.organization, b"%d" % number).dies()
    shown: list[int] = []
    cursor = ""
    while len(shown) < 3:
        page = cloud.call("GET", f"{LETTERS}?limit=1&cursor={cursor}", key=site.organization_key).json()
        shown += [each["size"] for each in page["deadLetters"]]
        cursor = page["nextCursor"] or ""
    assert shown == [1, 1, 1]
    assert cursor == ""
