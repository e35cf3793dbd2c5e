"""A call that is made again with its key has its effect once, and gets its first answer; for every row that says so."""

import copy
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import requests

from local.simulator.jpeg import grey_blocks
from printpipe.domain.ports.documents import Delete, Update
from printpipe.runtime.binding import operations
from printpipe.runtime.catalog import rows
from tests.cloud import Cloud, Site
from tests.contract.wire_client import send, variables_before, variables_of
from tests.contract.wire_examples import keyed_example

ONE_BACKEND_AT_REDUCED_COUNTS = True

CALLERS = 8
HEADER = "Idempotency-Key"
POSTS = {
    face.name: (row, operations(row, face)["POST"])
    for row in rows().values()
    if row.http and "POST" in row.http.methods
    for face in row.faces
}
"""By a face's name."""

REPEATABLE = sorted(name for name, (_, operation) in POSTS.items() if operation.repeatable)
NOT_REPEATABLE = {
    "cloud-agent-enroll": "a code, good once: whose answer is lost needs another one",
    "cloud-agent-heartbeat": "a sign of life",
    "cloud-agent-token": "a way into Pub/Sub: each call gives a fresh one, which ends by itself",
    "cloud-command-ack": "a claim: the lease and its fence tell one agent's repetition from another agent's claim",
    "cloud-command-list-debug": "a listing",
    "cloud-command-result": "a result: the same again changes nothing",
    "cloud-command-result-legacy": "a result: the same again changes nothing",
    "cloud-job-list": "a listing",
    "cloud-product-handshake": "a negotiation: each call gives a fresh token, and its file is given out once",
    "cloud-product-status": "a state: the same again changes nothing",
    "cloud-recipient-files": "a listing",
    "cloud-status-batch": "states: a later one takes its place, an older one changes nothing",
    "cloud-status-default": "a state, likewise",
    "cloud-status-report": "a state, likewise",
    "cloud-status-update": "a state, likewise",
    "cloud-status-update-app": "a state, likewise",
    "cloud-transfer-progress": "a report: what an earlier one has overtaken changes nothing, an end stands",
    "cloud-transfer-url": "a way into the bucket: each call gives a fresh one, in place of the one before",
    "cloud-upload-complete": "an end: what it creates has the upload's id, and a repetition finds it there",
    "printernizer-cleanup-run": "a removal: a repetition finds nothing to remove",
    "printernizer-notification-test": "a test: what a repetition sends besides says that it is one",
    "printernizer-ticket-create": "a way in, good once: what a repetition has besides ends by itself",
    "printpro-status-create": "a report: the same again is one more sample of a history that is pruned",
    "taverna-status-update": "a report: the same again changes nothing",
}
"""Faces whose POST creates and commands nothing that a repetition would double, and why."""

OF_CHOSEN_IDS = {"printernizer-printer-create"}
"""Faces whose answers may be alike for two tenants: what they create goes by the id that its caller chose."""

OF_NO_TENANT = {"cloud-organization-create"}
"""Rows whose calls are the operator's own: there is no second tenant with the same key."""

SECRETS = {"accessCode", "access_code", "api_key"}
"""Values that are left out of what is remembered of a call: a secret could be guessed from its digest."""

SIGHTINGS = {"printers", "printer_aliases"}
"""What a refused call may leave behind: a printer that it named is known from then on."""


@dataclass(frozen=True)
class Prepared:
    """The request of a row's wire example, with what it needs in place, for one tenant."""

    cloud: Cloud
    site: Site
    step: Mapping[str, Any]
    variables: Mapping[str, str]

    def call(self, key: str | bytes, step: Mapping[str, Any] | None = None, **other: Any) -> requests.Response:
        """Makes the call, or a changed one, with an idempotency key."""
        asked = step or self.step
        headers = {**asked["request"].get("headers", {}), HEADER: key}
        return send(self.cloud, asked, self.variables, headers=headers, **other)

    def changed(self, key: str) -> list[requests.Response]:
        """Makes the call with one value changed, in each place where that can be."""
        answers = [self.call(key, step) for step in _changed(self.step)]
        if "image" in self.step["request"]:
            picture = grey_blocks([[255, 128], [64, 0]])
            answers.append(self.call(key, files={"image": ("other.jpg", picture, "image/jpeg")}))
        return answers

    def stored(self) -> dict[str, Any]:
        """The tenant's documents by path; of the collections without tenants all."""
        return self.cloud.stored(self.site.organization)


def _prepared(cloud: Cloud, name: str) -> Prepared:
    """Makes the calls that come before the row's own in its example."""
    row, _ = POSTS[name]
    assert row.http is not None
    site = cloud.new_site()
    wanted = keyed_example(name, "POST", row.http.path)
    return Prepared(cloud, site, wanted, variables_before(cloud, site, name, wanted))


def _told(answer: requests.Response) -> Any:
    """The answer's body; a signed link is made anew for each answer."""
    assert answer.ok, answer.text
    return json.loads(answer.text, object_hook=lambda found: {name: _unsigned(each) for name, each in found.items()})


def _unsigned(value: Any) -> Any:
    return value.partition("?")[0] if isinstance(value, str) and value.startswith("http") else value


def _changed(step: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The step with one value changed: in the JSON, in the form, or in the file."""
    for part in ("json", "form"):
        for path in _leaves(step["request"].get(part, {})):
            if path[-1] in SECRETS:
                continue
            changed = copy.deepcopy(dict(step))
            place = changed["request"][part]
            for each in path[:-1]:
                place = place[each]
            place[path[-1]] = _other(place[path[-1]])
            yield changed
    if "file" in step["request"]:
        changed = copy.deepcopy(dict(step))
        changed["request"]["file"]["layers"] += 1
        yield changed


def _leaves(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(each, *path, key)
    elif path:
        yield path


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value or ''}x"


def _new(before: Mapping[str, Any], after: Mapping[str, Any]) -> Counter[str]:
    """How many documents came to which collection."""
    return Counter(path.partition("/")[0] for path in after.keys() - before.keys())


def _together(prepared: Prepared, key: str) -> list[requests.Response]:
    gate = Barrier(CALLERS)

    def run(_: int) -> requests.Response:
        gate.wait()
        return prepared.call(key)

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(run, range(CALLERS)))


def test_every_post_is_repeatable_or_needs_not_be() -> None:
    assert NOT_REPEATABLE.keys() == POSTS.keys() - set(REPEATABLE)


@pytest.mark.parametrize("name", REPEATABLE)
def test_a_call_has_one_effect_and_one_answer_for_each_tenant(cloud: Cloud, name: str) -> None:
    prepared, key = _prepared(cloud, name), secrets.token_hex(8)
    before = prepared.stored()
    first, *others = (_told(answer) for answer in _together(prepared, key))
    assert all(each == first for each in others), others
    stored = prepared.stored()
    assert _told(prepared.call(key)) == first

    changed = prepared.changed(key)
    assert all(_told(answer) == first for answer in changed if answer.ok), "only what is ignored may differ"
    assert {answer.status_code for answer in changed if not answer.ok} <= {400, 403, 404, 409, 422}
    conflicts = [answer.text for answer in changed if answer.status_code == 409]
    assert any(HEADER in each for each in conflicts) or not changed, conflicts
    after = prepared.stored()
    assert {path: after.get(path) for path in stored} == stored
    assert _new(stored, after).keys() <= SIGHTINGS

    alone = _prepared(cloud, name)
    untouched = alone.stored()
    other = _told(alone.call(key if name not in OF_NO_TENANT else f"another-{key}"))
    assert other != first or name in OF_CHOSEN_IDS
    assert _new(untouched, alone.stored()) == _new(before, stored)


@pytest.mark.parametrize("name", REPEATABLE)
def test_a_key_that_is_none_is_refused(cloud: Cloud, site: Site, name: str) -> None:
    row, _ = POSTS[name]
    assert row.http is not None
    step = keyed_example(name, "POST", row.http.path)
    prepared = Prepared(cloud, site, step, defaultdict(lambda: "7", variables_of(cloud, site)))
    for key in ("", "a b", "x" * 256, b"caf\xe9", b"tab\tbed"):
        answer = prepared.call(key)
        status = 422 if row.dialect == "printernizer" else 400
        assert (answer.status_code, HEADER in answer.text) == (status, True), f"{key!r}: {answer.text}"


@pytest.mark.parametrize("own", ["commandId", "requestId"])
def test_a_senders_own_number_for_a_command_is_a_key_too(cloud: Cloud, site: Site, own: str) -> None:
    body = {"recipientId": site.lan_recipient, "commandType": "home", own: "order 7"}
    first = cloud.call("POST", "/control", key=site.lan_key, json=body)
    again = cloud.call("POST", "/control", key=site.lan_key, json=body)
    assert (first.status_code, again.json()) == (200, first.json())
    other = cloud.call("POST", "/control", key=site.lan_key, json={**body, "commandType": "light_on"})
    assert (other.status_code, other.json()["error_type"]) == (409, "ConflictError")
    assert len(cloud.documents("printer_commands", site.lan_recipient)) == 1
    stranger = cloud.new_site()
    theirs = {**body, "recipientId": stranger.lan_recipient}
    answer = cloud.call("POST", "/control", key=stranger.lan_key, json=theirs)
    assert (answer.status_code, answer.json()["commandId"] != first.json()["commandId"]) == (200, True)


def test_an_empty_number_for_a_command_is_none(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "commandType": "home", "commandId": "", "requestId": ""}
    answers = [cloud.call("POST", "/control", key=site.lan_key, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["commandId"] for answer in answers}) == 2


def test_two_sites_may_count_alike(cloud: Cloud, site: Site) -> None:
    body = {"commandType": "home", "commandId": "order-8"}
    answers = [
        cloud.call("POST", "/control", key=site.organization_key, json={**body, "recipientId": recipient}).json()
        for recipient in (site.lan_recipient, site.agent_recipient)
    ]
    assert len({each["commandId"] for each in answers}) == 2


def test_commands_without_a_key_are_as_many_as_calls(cloud: Cloud, site: Site) -> None:
    assert len({cloud.queue(site.lan_recipient, "home") for _ in range(3)}) == 3


def test_an_events_own_id_is_a_key_too(cloud: Cloud, site: Site) -> None:
    body = {
        "recipientId": site.lan_recipient,
        "printerSerial": "01P00A381200434",
        "eventType": "job_paused",
        "eventStatus": "info",
        "eventId": "event-7",
    }
    answers = [cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=body) for _ in range(2)]
    assert len({answer.json()["eventId"] for answer in answers}) == 1
    other = cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json={**body, "eventType": "job_failed"})
    assert (other.status_code, other.json()["error_type"]) == (409, "ConflictError")
    (stored,) = cloud.documents("printer_events", site.lan_recipient)
    assert stored.data["eventType"] == "job_paused"


def test_a_start_that_is_made_again_starts_nothing_however_it_ended(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.agent_recipient)["fileId"]
    start = {
        "recipientId": site.agent_recipient,
        "printerSerial": "01P00A381200434",
        "commandType": "start_print",
        "metadata": {"fileName": "model.3mf", "fileId": job},
        "requestId": "start-1",
    }
    first = cloud.call("POST", "/control", key=site.organization_key, json=start).json()
    report = {"commandId": first["commandId"], "recipientId": site.agent_recipient, "agentId": "agent-1"}
    lease = cloud.call("POST", "/control/ack", key=site.agent_key, json=report).json()
    for ended in ({}, {"status": "failed", "errorMessage": "the printer is busy", "fence": lease["fence"]}):
        if ended:
            result = cloud.call("POST", "/control/result", key=site.agent_key, json={**report, **ended})
            assert result.status_code == 200, result.text
        assert cloud.call("POST", "/control", key=site.organization_key, json=start).json() == first
    assert len(cloud.documents("printer_commands", site.agent_recipient)) == 1
    assert [each.id for each in cloud.documents("print_jobs", site.agent_recipient)] == [job]


def test_a_repetition_after_its_expiry_is_answered_all_the_same(cloud: Cloud, site: Site) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"recipientId": site.lan_recipient, "commandType": "home", "expiresAt": soon, "commandId": "late"}
    first = cloud.call("POST", "/control", key=site.lan_key, json=body).json()
    past = datetime.now(UTC) - timedelta(seconds=1)
    cloud.backend.documents.commit(Update(f"printer_commands/{first['commandId']}", {"expiresAt": past}))
    again = cloud.call("POST", "/control", key=site.lan_key, json=body).json()
    assert again["commandId"] == first["commandId"]


def test_of_different_calls_with_one_key_one_has_an_effect(cloud: Cloud, site: Site) -> None:
    gate, headers = Barrier(CALLERS), {HEADER: secrets.token_hex(8)}

    def run(number: int) -> requests.Response:
        body = {"recipientId": site.lan_recipient, "commandType": "heat", "metadata": {"bedTemp": 30 + number}}
        gate.wait()
        return cloud.call("POST", "/control", key=site.lan_key, json=body, headers=headers)

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(run, range(CALLERS)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: CALLERS - 1}
    (command,) = cloud.documents("printer_commands", site.lan_recipient)
    assert command.data["metadata"] == {"bedTemp": 30 + [answer.status_code for answer in answers].index(200)}
    assert cloud.document(f"idempotency_keys/{command.id}").data["created"] == command.path


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_commands_key_is_spent_after_a_day(cloud: Cloud, site: Site, forgotten: bool) -> None:
    body = {"recipientId": site.lan_recipient, "commandType": "home", "commandId": "order-9"}
    first = cloud.call("POST", "/control", key=site.lan_key, json=body).json()["commandId"]
    yesterday = datetime.now(UTC) - timedelta(hours=24, seconds=1)
    cloud.backend.documents.commit(Update(f"printer_commands/{first}", {"createdAt": yesterday}))
    if forgotten:
        cloud.backend.documents.commit(Delete(f"idempotency_keys/{first}"))
    answer = cloud.call("POST", "/control", key=site.lan_key, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (409, HEADER)
    assert len(cloud.documents("printer_commands", site.lan_recipient)) == 1


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_event_is_the_same_event_for_ever(cloud: Cloud, site: Site, forgotten: bool) -> None:
    body = {
        "recipientId": site.lan_recipient,
        "printerSerial": "01P00A381200434",
        "eventType": "custom_event",
        "eventStatus": "info",
        "eventId": "event-8",
    }
    first = cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=body).json()["eventId"]
    long_ago = datetime.now(UTC) - timedelta(days=400)
    cloud.backend.documents.commit(Update(f"printer_events/{first}", {"createdAt": long_ago}))
    if forgotten:
        cloud.backend.documents.commit(Delete(f"idempotency_keys/{first}"))
    again = cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=body)
    assert (again.status_code, again.json()["eventId"]) == (200, first)
    assert len(cloud.documents("printer_events", site.lan_recipient)) == 1


def test_a_call_without_a_key_leaves_no_mark(cloud: Cloud, site: Site) -> None:
    cloud.queue(site.lan_recipient, "home")
    cloud.upload(site.lan_recipient)
    event = {
        "recipientId": site.lan_recipient,
        "printerSerial": "S",
        "eventType": "custom_event",
        "eventStatus": "info",
    }
    assert cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=event).status_code == 201
    assert not [path for path in cloud.stored(site.organization) if path.startswith("idempotency_keys/")]
