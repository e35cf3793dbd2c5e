"""Notification channels over HTTP: whose they are, what is refused, what is never shown, and what comes of an event."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from printpipe.domain.messages import JobEvent
from printpipe.domain.ports.documents import Document, Query, Update, Where
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

PATH = "/api/v1/notifications"


def create(cloud: Cloud, site: Site, **fields: Any) -> requests.Response:
    body = {"name": "Office", "kind": "email", "address": "office@example.org", **fields}
    return cloud.call("POST", PATH, key=site.organization_key, json=body)


def channel(cloud: Cloud, site: Site, **fields: Any) -> str:
    answer = create(cloud, site, **fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def put(cloud: Cloud, site: Site, channel_id: str, **fields: Any) -> requests.Response:
    return cloud.call("PUT", f"{PATH}/{channel_id}", key=site.organization_key, json=fields)


def stored(cloud: Cloud, site: Site, collection: str) -> list[Document]:
    where = [Where("organizationId", "==", site.organization)]
    return cloud.backend.documents.query(Query(collection, where))


def refused_field(answer: requests.Response) -> str:
    assert answer.status_code == 422, answer.text
    return str(answer.json()["error"]["details"]["field"])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": None}, "name"),
        ({"kind": "pigeon"}, "kind"),
        ({"kind": None}, "kind"),
        ({"address": None}, "address"),
        ({"address": ""}, "address"),
        ({"address": "office"}, "address"),
        ({"address": "Office <office@example.org>"}, "address"),
        ({"address": "office@example.org\r\nBcc: eve@example.org"}, "address"),
        ({"address": "office@[127.0.0.1]"}, "address"),
        ({"address": "a" * 2049}, "address"),
        ({"address": ["office@example.org"]}, "address"),
        ({"kind": "webhook", "address": "https://169.254.169.254/computeMetadata/v1/"}, "address"),
        ({"kind": "webhook", "address": "https://localhost/"}, "address"),
        ({"kind": "ntfy", "address": "http://ntfy.sh/topic"}, "address"),
        ({"kind": "ntfy", "address": "https://ntfy.sh@evil.example.org/topic"}, "address"),
        ({"kind": "discord", "address": "https://discord.com.evil.example.org/api/webhooks/1/t"}, "address"),
        ({"kind": "slack", "address": "https://hooks.slack.com/../services/T"}, "address"),
        ({"secret": "a-token"}, "secret"),
        ({"kind": "ntfy", "secret": "two words"}, "secret"),
        ({"event_types": ["job_dreamt"]}, "event_types.0"),
        ({"event_types": "job_failed"}, "event_types"),
        ({"event_types": ["job_failed"] * 17}, "event_types"),
        ({"printer_ids": ["../../printers/x"]}, "printer_ids.0"),
        ({"printer_ids": ["not-there"]}, "printer_ids"),
        ({"printer_ids": [f"printer-{number}" for number in range(51)]}, "printer_ids"),
        ({"quiet_hours": {"from": "22:00"}}, "quiet_hours.to"),
        ({"quiet_hours": {"from": "22:00", "to": "7:00"}}, "quiet_hours.to"),
        ({"quiet_hours": {"from": "22:00\n", "to": "07:00"}}, "quiet_hours.from"),
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "quiet_hours"),
        ({"quiet_hours": "22:00-07:00"}, "quiet_hours"),
        ({"urgent_anyway": "maybe"}, "urgent_anyway"),
        ({"picture": 2}, "picture"),
        ({"active": "yes"}, "active"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(cloud: Cloud, site: Site, given: Mapping[str, Any], field: str) -> None:
    assert refused_field(create(cloud, site, **given)) == field
    assert stored(cloud, site, "notification_channels") == []
    assert stored(cloud, site, "audit_log") == []


def test_a_channel_is_its_organizations_alone(cloud: Cloud, site: Site) -> None:
    channel_id, stranger = channel(cloud, site), cloud.new_site()
    before = stored(cloud, site, "notification_channels")
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/test")):
        body = {"name": "Mine"} if method == "PUT" else None
        for key in (stranger.organization_key, stranger.lan_key):
            answer = cloud.call(method, f"{PATH}/{channel_id}{path}", key=key, json=body)
            assert answer.status_code in (403, 404), answer.text
            assert "Office" not in answer.text
    assert cloud.call("GET", PATH, key=stranger.organization_key).json()["notifications"] == []
    assert stored(cloud, site, "notification_channels") == before
    printer = {"id": secrets.token_hex(4), "name": "P", "type": "prusa", "ip_address": "192.168.1.9"}
    entered = cloud.call(
        "POST", "/api/v1/printers", key=site.organization_key, json={**printer, "recipient_id": site.lan_recipient}
    )
    assert entered.status_code == 201, entered.text
    assert refused_field(create(cloud, stranger, printer_ids=[printer["id"]])) == "printer_ids"
    assert create(cloud, site, printer_ids=[printer["id"]]).json()["printer_ids"] == [printer["id"]]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_who_administers_has_a_say(cloud: Cloud, site: Site, role: str) -> None:
    channel_id, token = channel(cloud, site), cloud.token(site.organization, role)
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/{channel_id}"), ("DELETE", f"{PATH}/{channel_id}")):
        body = {"name": "Mine", "kind": "email", "address": "eve@example.org"}
        assert cloud.call(method, path, token=token, json=body).status_code == 403
    assert cloud.call("POST", f"{PATH}/{channel_id}/test", token=token).status_code == 403


def test_an_address_is_neither_shown_nor_stored_nor_logged(cloud: Cloud, site: Site) -> None:
    begin = cloud.log.stat().st_size
    hidden, refused = f"anna.{secrets.token_hex(4)}", f"topic-{secrets.token_hex(4)}"
    answers = [create(cloud, site, address=f"{hidden}@example.org")]
    channel_id = answers[0].json()["id"]
    answers.append(create(cloud, site, kind="ntfy", address=f"https://nowhere.invalid/{refused}", secret=refused))
    answers.append(put(cloud, site, channel_id, address=f"{hidden}@example.com", name="Yard"))
    answers.append(put(cloud, site, channel_id, address=f"{hidden}@-"))
    for method, path in (
        ("GET", f"/{channel_id}"),
        ("GET", ""),
        ("POST", f"/{channel_id}/test"),
        ("DELETE", f"/{channel_id}"),
    ):
        answers.append(cloud.call(method, PATH + path, key=site.organization_key))
        if method == "POST":
            kept = str(
                [each.data for name in ("notification_channels", "audit_log") for each in stored(cloud, site, name)]
            )
            assert "Yard" in kept
            assert hidden not in kept
    assert [answer.status_code for answer in answers] == [201, 422, 200, 422, 200, 200, 200, 200]
    told = "".join(answer.text for answer in answers)
    with cloud.log.open("rb") as log:
        log.seek(begin)
        told += log.read().decode()
    assert "notification_channel_created" in told
    assert hidden not in told
    assert refused not in told


def test_a_test_tells_what_came_of_it_and_changes_nothing(cloud: Cloud, site: Site) -> None:
    channel_id = channel(cloud, site, active=False)
    before = stored(cloud, site, "notification_channels")
    answer = cloud.call("POST", f"{PATH}/{channel_id}/test", key=site.organization_key)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["success"], told["status"]) == (False, None)
    assert told["error"]
    assert stored(cloud, site, "notification_channels") == before
    assert stored(cloud, site, "notification_deliveries") == []


def test_a_channel_that_was_switched_off_says_why_and_can_be_switched_on(cloud: Cloud, site: Site) -> None:
    channel_id = channel(cloud, site)
    off = {"active": False, "failures": 6, "disabledReason": "Nothing could be sent", "disabledAt": datetime.now(UTC)}
    cloud.backend.documents.commit(Update(f"notification_channels/{channel_id}", off))
    shown = cloud.call("GET", f"{PATH}/{channel_id}", key=site.organization_key).json()
    assert (shown["active"], shown["failures"], shown["disabled_reason"]) == (False, 6, "Nothing could be sent")
    assert shown["disabled_at"] is not None
    again = put(cloud, site, channel_id, active=True).json()
    assert (again["active"], again["failures"], again["disabled_reason"], again["disabled_at"]) == (True, 0, None, None)


def test_what_is_left_out_of_a_change_stays(cloud: Cloud, site: Site) -> None:
    given = {
        "event_types": ["job_failed"],
        "quiet_hours": {"from": "22:00", "to": "07:00"},
        "picture": False,
        "urgent_anyway": False,
    }
    channel_id = channel(cloud, site, **given)
    changed = put(cloud, site, channel_id, name="Yard").json()
    assert {name: changed[name] for name in given} == given
    emptied = put(cloud, site, channel_id, event_types=None, quiet_hours=None, name=None, picture=None).json()
    assert (emptied["event_types"], emptied["quiet_hours"]) == ([], None)
    assert (emptied["name"], emptied["picture"]) == ("Yard", False)


def test_an_event_that_comes_three_times_is_to_be_sent_once_over_each_channel(cloud: Cloud, site: Site) -> None:
    wanting = {channel(cloud, site), channel(cloud, site, event_types=["command_failed"])}
    channel(cloud, site, event_types=["job_failed"])
    channel(cloud, site, active=False)
    message = JobEvent(
        event_id=secrets.token_hex(8),
        kind="command_failed",
        organization_id=site.organization,
        recipient_id=site.lan_recipient,
        printer_serial="01P00A381200434",
        occurred_at=datetime.now(UTC),
        request_id="a-request-id",
        about="command",
        status="failed",
        reason="The printer did not answer",
        command_id="a-command",
        command_type="stop",
    )
    for _ in range(3):
        cloud.deliver("trigger-job-announced", message)
    planned = stored(cloud, site, "notification_deliveries")
    assert {each.data["channelId"] for each in planned} == wanting
    assert len(planned) == len(wanting)
    assert {each.data["notice"]["text"] for each in planned} == {
        "Stop was not carried out on 01P00A381200434: The printer did not answer."
    }
