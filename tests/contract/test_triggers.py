"""The event functions, called as Eventarc calls them: with their wire examples."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from printpipe.domain.messages import JobEvent
from printpipe.runtime.catalog import rows
from tests.cloud import Cloud, Site
from tests.contract.order_desk import Desk
from tests.contract.wire_examples import examples, fill

WATCHING = sorted(row.name for row in rows().values() if row.trigger and row.trigger.firestore)
SCHEDULED = sorted(row.name for row in rows().values() if row.trigger and row.trigger.schedule)


def _deliver(cloud: Cloud, function: str, variables: Mapping[str, str]) -> None:
    (example,) = examples(function)
    event = fill(example["event"], variables)
    headers = {"ce-id": secrets.token_hex(8), "ce-type": event["type"], "ce-specversion": "1.0"}
    if "document" in event:
        name = f"projects/demo/databases/(default)/documents/{event['document']}"
        headers |= {
            "ce-source": "//firestore.googleapis.com/projects/demo/databases/(default)",
            "ce-subject": f"documents/{event['document']}",
        }
        sides = {"oldValue": "before", "value": "fields"}
        body: Any = {side: {"name": name, "fields": event[fields]} for side, fields in sides.items() if fields in event}
    else:
        headers["ce-source"], body = event["source"], event["json"]
    answer = cloud.call("POST", f"/{function}", headers=headers, json=body)
    assert answer.status_code == 200, answer.text


def _waiting_with_a_free_printer(cloud: Cloud, site: Site) -> tuple[Desk, str]:
    """A job that waited for a printer, which has come since."""
    desk = Desk(cloud, site)
    cloud.upload(site.agent_recipient)
    job = str(desk.order()["id"])
    assert desk.send(job)["waiting"]["printers"] == []
    desk.printer()
    return desk, job


def test_the_end_of_a_run_serves_the_queue(cloud: Cloud, site: Site) -> None:
    desk, job = _waiting_with_a_free_printer(cloud, site)
    freed = JobEvent(
        event_id=secrets.token_hex(8),
        kind="job_failed",
        organization_id=site.organization,
        occurred_at=datetime.now(UTC),
        request_id="told",
        about="job",
        job_id="another",
        status="failed",
        former="printing",
        freed=True,
    )
    cloud.deliver("trigger-printer-freed", freed)
    assert [given["metadata"]["jobId"] for given in desk.claim()] == [job]


@pytest.mark.parametrize("name", WATCHING)
def test_what_was_written_is_told(cloud: Cloud, site: Site, name: str) -> None:
    variables = {name: secrets.token_hex(8) for name in ("command", "event", "file", "job")}
    sites = {"organization": site.organization, "agent_recipient": site.agent_recipient}
    _deliver(cloud, name, {**variables, **sites})


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_tick_is_answered(cloud: Cloud, site: Site, name: str) -> None:
    desk, job = _waiting_with_a_free_printer(cloud, site)
    _deliver(cloud, name, {})
    if name == "trigger-queue-sweep":
        assert [given["metadata"]["jobId"] for given in desk.claim()] == [job]
