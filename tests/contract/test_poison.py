"""A message that cannot be taken: put away after five attempts, alerted once, in nobody's way, delivered again."""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest

from local.sample_print import make_3mf
from printpipe.domain.ids import new_id
from printpipe.domain.notifications import Delivery, DeliveryStatus, Notice
from printpipe.domain.ports.documents import Create, Update
from printpipe.domain.printer_records import Printer
from tests.cloud import Cloud
from tests.counted_jobs import ended_job, print_file

ATTEMPTS = 5
CONSUMERS = {"trigger-job-counted", "trigger-hms-followed", "trigger-file-read", "trigger-notification-sent"}
"""One of each topic that functions follow."""

SECONDS = 60.0
pytestmark = pytest.mark.parametrize("cloud", ["embedded"], indirect=True)


class Poisoned:
    """An organization in whose way something stands for each kind of message; what each would do, and its cure."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._documents = cloud, cloud.backend.documents
        self.site = cloud.new_site()
        self.organization = self.site.organization
        self._now = datetime.now(UTC)
        self.job = ended_job(self.organization, self._now - timedelta(hours=1))
        self.printer = Printer(
            printer_id=new_id(),
            organization_id=self.organization,
            recipient_id=self.site.lan_recipient,
            serial=f"01P{new_id()[:12].upper()}",
            active=True,
            created_at=self._now,
        )
        self.file = print_file(self.organization, new_id(), 5.0)
        self.channel, self.delivery = new_id(), new_id()

    def poison(self) -> None:
        """Everything happens."""
        self._documents.commit(Update(f"organizations/{self.organization}", {"prices": "a lot"}))
        self._documents.commit(Create(f"print_jobs/{self.job.job_id}", self.job.data()))
        alias = {"organizationId": self.organization, "printerId": self.printer.printer_id}
        self._documents.commit(
            Create(f"printers/{self.printer.printer_id}", {**self.printer.data(), "createdAt": "never"}),
            Create(f"printer_aliases/{self.organization}_serial_{self.printer.serial}", alias),
        )
        event: dict[str, Any] = {"recipientId": self.site.lan_recipient, "printerSerial": self.printer.serial}
        event |= {"eventType": "hms_error", "eventStatus": "failed", "errorData": {"hmsCode": "0300_0300_0002_0003"}}
        reported = self._cloud.call("POST", "/api/printer-events/report", key=self.site.lan_key, json=event)
        assert reported.status_code == 201, reported.text
        self._documents.commit(Create(f"files/{self.file.file_id}", self.file.data()))
        self._notify()

    def cure(self) -> None:
        """What stood in the way is gone."""
        self._documents.commit(Update(f"organizations/{self.organization}", {"prices": {"perGram": 500}}))
        self._documents.commit(Update(f"printers/{self.printer.printer_id}", {"createdAt": self._now}))
        content = make_3mf("cured", layers=3, seconds=60)
        self._cloud.backend.files.put(self.file.gcs_path, BytesIO(content), "model/3mf")
        self._documents.commit(Update(f"notification_channels/{self.channel}", {"active": False, "kind": "webhook"}))

    def effects(self) -> dict[str, bool]:
        """What of it has been done."""
        entry = self._documents.get(f"statistics_entries/{self.job.job_id}")
        incidents = self._cloud.call("GET", "/api/v1/incidents", key=self.site.organization_key).json()
        return {
            "trigger-job-counted": entry is not None,
            "trigger-hms-followed": bool(incidents["incidents"]),
            "trigger-file-read": self._cloud.document(f"files/{self.file.file_id}").data.get("readAt") is not None,
            "trigger-notification-sent": self._delivered() == DeliveryStatus.DROPPED,
        }

    def dead_letters(self) -> dict[str, dict[str, Any]]:
        """Those that are dead, by their function."""
        listed = self._cloud.call("GET", "/api/v1/dead-letters", key=self.site.organization_key).json()
        return {each["function"]: each for each in listed["deadLetters"] if each["status"] == "dead"}

    def _delivered(self) -> str:
        return str(self._cloud.document(f"notification_deliveries/{self.delivery}").data["status"])

    def _notify(self) -> None:
        notice = Notice(
            event_type="job_failed",
            event_id=new_id(),
            organization_id=self.organization,
            occurred_at=self._now,
            title="A print has failed",
            text="A print has failed",
        )
        delivery = Delivery(
            delivery_id=self.delivery,
            organization_id=self.organization,
            channel_id=self.channel,
            event_id=notice.event_id,
            event_type=notice.event_type,
            notice=notice,
            status=DeliveryStatus.PLANNED,
            request_id=new_id(),
            next_attempt_at=self._now,
            created_at=self._now,
            expires_at=self._now + timedelta(days=1),
        )
        # Not active, so that nobody plans anything with it.
        pigeon = {"channelId": self.channel, "organizationId": self.organization, "kind": "pigeon", "active": False}
        self._documents.commit(
            Create(
                f"notification_channels/{self.channel}",
                {
                    **pigeon,
                    "name": "roof",
                    "address": "sealed",
                    "addressHint": "roof",
                    "createdAt": self._now,
                    "updatedAt": self._now,
                },
            ),
            Create(f"notification_deliveries/{self.delivery}", delivery.data()),
        )
        self._cloud.fire("trigger-notification-retry")


def test_poison_is_put_away_and_delivered_again_once_it_is_cured(cloud: Cloud) -> None:
    poisoned, neighbour = Poisoned(cloud), Poisoned(cloud)
    poisoned.poison()
    neighbour.poison()
    neighbour.cure()  # while its messages are being tried: nobody waits for the poisoned ones
    until(lambda: all(neighbour.effects().values()), lambda: f"the neighbour's: {neighbour.effects()}")
    until(lambda: set(poisoned.dead_letters()) >= CONSUMERS, lambda: f"dead: {sorted(poisoned.dead_letters())}")
    assert not any(poisoned.effects().values())

    dead = poisoned.dead_letters()
    for function in CONSUMERS:
        exact = function != "trigger-notification-sent"  # what is due is published again meanwhile
        attempts = dead[function]["attempts"]
        assert attempts == ATTEMPTS if exact else attempts >= ATTEMPTS, dead[function]
        assert dead[function]["error"], dead[function]
    once = Counter(each["deadLetterId"] for each in dead.values())
    until(lambda: alerts(cloud, dead) == once, lambda: f"alerts: {alerts(cloud, dead)} instead of {once}")

    poisoned.cure()
    for letter in dead.values():
        path = f"/api/v1/dead-letters/{letter['deadLetterId']}/replay"
        answer = cloud.call("POST", path, key=poisoned.site.organization_key, json={})
        assert answer.status_code == 200, answer.text
    until(lambda: all(poisoned.effects().values()), lambda: f"done: {poisoned.effects()}")
    assert poisoned.dead_letters() == {}
    assert alerts(cloud, dead) == once


def alerts(cloud: Cloud, dead: dict[str, dict[str, Any]]) -> Counter[str]:
    """How often the log has alerted somebody to each of these."""
    ours = {each["deadLetterId"] for each in dead.values()}
    lines = [line for line in cloud.log.read_text().splitlines() if '"message_dead_lettered"' in line]
    told = [str(json.loads(line)["deadLetterId"]) for line in lines]
    return Counter(each for each in told if each in ours)


def until(true: Callable[[], bool], what: Callable[[], str]) -> None:
    """Returns when it is so. AssertionError after a minute."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)
