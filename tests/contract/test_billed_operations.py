"""What a warm call costs in the document store: operations that Firestore bills, read from the log by request id."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from printpipe.domain.ports.documents import Update
from printpipe.runtime.catalog import Row, rows
from tests.cloud import Cloud, Site
from tests.contract.refusals import LIVE
from tests.contract.wire_client import send, variables_of
from tests.contract.wire_examples import examples, fill, saved

ONE_BACKEND_AT_REDUCED_COUNTS = True


@dataclass(frozen=True)
class Cost:
    """Reads of documents, writes, reads that counting took, and deletes."""

    reads: int = 0
    writes: int = 0
    counts: int = 0
    deletes: int = 0


FREE = Cost()
COSTS: Mapping[tuple[str, str], Cost] = {
    ("cloud-health-check", "GET"): FREE,
    ("cloud-health-report", "GET"): FREE,
    ("cloud-openapi-show", "GET"): FREE,
    ("cloud-docs-show", "GET"): FREE,
    ("cloud-file-upload", "POST"): Cost(writes=4),
    ("cloud-upload-complete", "POST"): Cost(reads=1, writes=5),
    ("cloud-file-fetch", "GET"): Cost(reads=2, writes=3),
    ("cloud-job-create", "POST"): Cost(reads=4, writes=5, counts=1),
    ("cloud-job-list", "POST"): Cost(reads=1),
    ("cloud-job-claim", "POST"): Cost(reads=1, writes=3),
    ("cloud-recipient-files", "POST"): Cost(reads=1),
    ("cloud-recipient-pending", "GET"): Cost(reads=1),
    ("cloud-product-handshake", "POST"): Cost(reads=2, writes=1),
    ("cloud-product-status", "POST"): Cost(reads=3, writes=2),
    ("cloud-command-control", "GET"): Cost(reads=1),
    ("cloud-command-control", "POST"): Cost(writes=2, counts=1),
    ("cloud-command-ack", "POST"): Cost(reads=1, writes=1),
    ("cloud-command-result", "POST"): Cost(reads=2, writes=1),
    ("cloud-command-result-legacy", "POST"): Cost(reads=2, writes=1),
    ("cloud-command-list-debug", "POST"): Cost(reads=2),
    ("cloud-status-report", "POST"): Cost(reads=2, writes=3),
    ("cloud-status-default", "POST"): Cost(reads=1, writes=1),
    ("cloud-status-update", "POST"): Cost(reads=3, writes=4),
    ("cloud-status-update-app", "POST"): Cost(reads=2, writes=3),
    ("cloud-status-batch", "POST"): Cost(reads=3, writes=6),
    ("cloud-agent-heartbeat", "POST"): Cost(writes=1),
    ("cloud-agent-printers", "GET"): Cost(reads=4),
    ("cloud-agent-printers", "POST"): Cost(reads=2, writes=8),
    ("cloud-agent-token", "POST"): FREE,
    ("cloud-enrollment-create", "POST"): Cost(reads=1, writes=3),
    ("cloud-agent-enroll", "POST"): Cost(reads=3, writes=3, deletes=1),
    ("cloud-event-report", "POST"): Cost(writes=1),
    ("cloud-event-list", "GET"): Cost(reads=2),
    ("cloud-event-image", "POST"): Cost(reads=1, writes=1),
    ("cloud-event-error", "POST"): Cost(writes=1),
    ("cloud-picture-upload", "POST"): Cost(reads=3, writes=3),
    ("cloud-job-complete", "POST"): Cost(reads=4, writes=3),
    ("cloud-organization-create", "POST"): Cost(reads=1, writes=3),
    ("cloud-organization-list", "GET"): Cost(reads=1),
    ("cloud-organization-update", "PUT"): Cost(reads=1, writes=2),
    ("cloud-organization-erase", "DELETE"): Cost(reads=2, writes=2),
    ("cloud-audit-list", "GET"): Cost(reads=2),
    ("cloud-metrics-show", "GET"): Cost(reads=6, counts=13),
    ("cloud-dead-letter-list", "GET"): Cost(reads=2),
    ("cloud-dead-letter-replay", "POST"): Cost(reads=1, writes=2),
    ("cloud-dead-letter-remove", "DELETE"): Cost(reads=1, writes=1, deletes=1),
    ("cloud-recipient-create", "POST"): Cost(reads=1, writes=3),
    ("cloud-recipient-list", "GET"): Cost(reads=3),
    ("cloud-key-create", "POST"): Cost(reads=3, writes=4),
    ("cloud-key-list", "GET"): Cost(reads=2),
    ("cloud-key-revoke", "DELETE"): Cost(reads=1, writes=2),
    ("cloud-membership-create", "POST"): Cost(reads=2, writes=3),
    ("cloud-membership-list", "GET"): Cost(reads=2),
    ("cloud-membership-remove", "DELETE"): Cost(reads=1, writes=1, deletes=1),
    ("cloud-transfer-url", "POST"): Cost(reads=3, writes=1),
    ("cloud-transfer-progress", "POST"): Cost(reads=2, writes=1),
    ("printpro-printer-create", "POST"): Cost(reads=3, writes=4),
    ("printpro-printer-list", "GET"): Cost(reads=2),
    ("printpro-printer-show", "GET"): Cost(reads=1),
    ("printpro-printer-update", "PUT"): Cost(reads=3, writes=2),
    ("printpro-printer-delete", "DELETE"): Cost(reads=2, writes=2, deletes=2),
    ("printpro-job-create", "POST"): Cost(reads=4, writes=3),
    ("printpro-job-send", "POST"): Cost(reads=8, writes=3),
    ("printpro-job-list", "GET"): Cost(reads=1),
    ("printpro-job-show", "GET"): Cost(reads=1),
    ("printpro-job-status", "PUT"): Cost(reads=3, writes=2),
    ("printpro-job-cancel", "POST"): Cost(reads=3, writes=3),
    ("printpro-job-delete", "DELETE"): Cost(reads=2, writes=3),
    ("printpro-status-create", "POST"): Cost(reads=1, writes=2),
    ("printpro-status-latest", "GET"): Cost(reads=1),
    ("printpro-status-history", "GET"): Cost(reads=3),
    ("printpro-command-create", "POST"): Cost(reads=1, writes=3, counts=1),
    ("printpro-command-list", "GET"): Cost(reads=2),
    ("printpro-command-pending", "GET"): Cost(reads=3),
    ("printpro-command-status", "PUT"): Cost(reads=2, writes=1),
    ("printpro-command-delete", "DELETE"): Cost(reads=1, writes=2),
    ("printernizer-file-download", "POST"): Cost(reads=9, writes=4, counts=1),
    ("printernizer-download-status", "GET"): Cost(reads=3),
    ("printernizer-file-upload", "POST"): Cost(reads=8, writes=4, counts=1),
    ("printernizer-health-show", "GET"): FREE,
    ("printernizer-system-show", "GET"): Cost(reads=1, counts=3),
    ("printernizer-printer-list", "GET"): Cost(reads=3),
    ("printernizer-printer-create", "POST"): Cost(reads=6, writes=9),
    ("printernizer-printer-show", "GET"): Cost(reads=6),
    ("printernizer-printer-update", "PUT"): Cost(reads=7, writes=2),
    ("printernizer-job-list", "GET"): Cost(reads=4, counts=5),
    ("printernizer-job-show", "GET"): Cost(reads=5),
    ("printernizer-job-update", "PUT"): Cost(reads=3, writes=2),
    ("printernizer-job-cancel", "POST"): Cost(reads=6, writes=3),
    ("printernizer-printer-delete", "DELETE"): Cost(reads=6, writes=2, deletes=3),
    ("taverna-status-start", "POST"): Cost(reads=5, writes=5),
    ("taverna-status-update", "POST"): Cost(reads=9, writes=4),
    ("taverna-status-show", "GET"): Cost(reads=6),
    ("taverna-status-list", "GET"): Cost(reads=5),
    ("printernizer-file-list", "GET"): Cost(reads=12, writes=1, counts=2),
    ("printernizer-file-show", "GET"): Cost(reads=5),
    ("printernizer-file-delete", "DELETE"): Cost(reads=6, writes=3),
    ("printernizer-file-content", "GET"): Cost(reads=2, writes=1),
    ("printernizer-file-preview", "GET"): Cost(reads=2),
    ("printernizer-cleanup-list", "GET"): Cost(reads=2),
    ("printernizer-cleanup-run", "POST"): Cost(reads=7, writes=3),
    ("printernizer-ticket-create", "POST"): Cost(reads=1, writes=1),
    ("printernizer-incident-list", "GET"): Cost(reads=1, counts=1),
    ("printernizer-notification-list", "GET"): Cost(reads=2),
    ("printernizer-notification-create", "POST"): Cost(reads=2, writes=3, counts=1),
    ("printernizer-notification-show", "GET"): Cost(reads=1),
    ("printernizer-notification-update", "PUT"): Cost(reads=1, writes=2),
    ("printernizer-notification-delete", "DELETE"): Cost(reads=1, writes=1, deletes=1),
    ("printernizer-notification-test", "POST"): Cost(reads=2, writes=1),
    ("printernizer-statistics-overview", "GET"): Cost(reads=33, counts=7),
    ("printernizer-statistics-printer", "GET"): Cost(reads=35),
}
"""By example and method: the first request of it that works, where key and recipient are known already.

Where calls are limited, the first one by a caller reads how many it has made elsewhere.
"""

FACES = [(row, face.name) for row in rows().values() if row.http for face in row.faces if face.name not in LIVE]
"""Each row and what its example is called: one that two dialects share has two. Not those whose answer does not end."""


@pytest.fixture
def warm(cloud: Cloud, site: Site) -> Site:
    """A site whose keys and recipients the instance knows already; it has also looked after its own health."""
    for key in (cloud.operator_key, site.organization_key, site.lan_key, site.agent_key):
        for recipient in (site.lan_recipient, site.agent_recipient):
            cloud.call("GET", f"/control?recipientId={recipient}", key=key)
    for path in ("/health", "/api/v1/health"):
        cloud.call("GET", path)
    return site


def cost_of(cloud: Cloud, request_id: str, since: int) -> Cost:
    """What the request cost, as the log says behind that byte."""
    with cloud.log.open("rb") as log:
        log.seek(since)
        lines = [json.loads(line) for line in log if request_id.encode() in line]
    bills = [line for line in lines if line.get("event") == "request_billed"]
    assert len(bills) <= 1
    if not bills:
        return FREE
    (bill,) = bills
    return Cost(bill["reads"], bill["writes"], bill["counts"], bill["deletes"])


def call(cloud: Cloud, method: str, path: str, **options: Any) -> tuple[requests.Response, Cost]:
    """One request as the operator, or with another `key`, and what it cost."""
    request_id, since = secrets.token_hex(16), cloud.log.stat().st_size
    headers = {"X-Request-Id": request_id, **options.pop("headers", {})}
    answer = cloud.call(method, path, headers=headers, **{"key": cloud.operator_key, **options})
    return answer, cost_of(cloud, request_id, since)


def costs_of_example(cloud: Cloud, site: Site, row: Row, name: str) -> Iterator[tuple[str, str, Cost]]:
    """Method, title and cost of each of the example's requests that the row served well."""
    assert row.http is not None
    template = re.compile("[^/?]+".join(map(re.escape, re.split(r"{\w+}", row.http.path))) + r"(\?.*)?")
    variables = variables_of(cloud, site, f"user-{site.organization}")  # whose calls nobody has counted yet
    for step in examples(name):
        cloud.wait_for_effects(site.organization)  # what changes a document meanwhile costs another read
        request_id, since = secrets.token_hex(16), cloud.log.stat().st_size
        headers = fill(step["request"].get("headers") or {}, variables)
        told = {"X-Request-Id": request_id, "X-Forwarded-For": site.organization}  # an address of its own, likewise
        answer = send(cloud, step, variables, headers={**headers, **told})
        variables |= saved(step, answer.json()) if "save" in step else {}
        own = step["request"]["method"] in row.http.methods
        if own and answer.ok and template.fullmatch(fill(step["request"]["path"], variables)):
            yield step["request"]["method"], step["title"], cost_of(cloud, request_id, since)


@pytest.mark.parametrize(("row", "name"), FACES, ids=[name for _, name in FACES])
def test_a_row_costs_what_the_table_says(cloud: Cloud, warm: Site, row: Row, name: str) -> None:
    assert row.http is not None
    found: dict[tuple[str, str], Cost] = {}
    for method, _, cost in costs_of_example(cloud, warm, row, name):
        found.setdefault((name, method), cost)
    assert found == {(name, method): COSTS.get((name, method)) for method in row.http.methods}


def test_every_row_is_in_the_table() -> None:
    assert {name for name, _ in COSTS} == {name for _, name in FACES}


def pause(site: Site, **more: Any) -> dict[str, Any]:
    return {"recipientId": site.lan_recipient, "commandType": "pause", "printerSerial": "01P00A381200434", **more}


def test_a_command_is_two_writes_in_one_batch_and_one_count(cloud: Cloud, warm: Site) -> None:
    for key in (cloud.operator_key, warm.lan_key):
        answer, cost = call(cloud, "POST", "/control", key=key, json=pause(warm))
        assert answer.status_code == 200, answer.text
        assert cost == Cost(reads=0, writes=2, counts=1)


def test_a_repeated_command_is_a_read_of_it_and_one_of_its_mark(cloud: Cloud, warm: Site) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first, cost = call(cloud, "POST", "/control", json=pause(warm), headers=headers)
    assert cost == Cost(reads=0, writes=3, counts=1)
    again, cost = call(cloud, "POST", "/control", json=pause(warm), headers=headers)
    assert again.json() == first.json()
    assert (cost.reads, cost.writes) == (2, 0)


LISTS = [
    ("GET", "/control?recipientId={lan}"),
    ("POST", "/debug/listPendingCommands"),
    ("POST", "/api/apps/a/functions/listPendingJobs"),
    ("POST", "/api/apps/a/functions/listRecipientFiles"),
    ("GET", "/recipients/{lan}/pending"),
    ("GET", "/api/printer-events?recipientId={lan}"),
    ("GET", "/api/printer-events?recipientId={lan}&limit=3"),
    ("GET", "/api/v1/recipients"),
    ("GET", "/api/v1/keys"),
    ("GET", "/api/v1/keys?limit=2"),
    ("GET", "/api/v1/memberships"),
    ("GET", "/api/v1/organizations"),
    ("GET", "/api/v1/organizations/{organization}/audit"),
    ("GET", "/api/v1/organizations/{organization}/audit?limit=4"),
]


@pytest.fixture(scope="session")
def busy(cloud: Cloud) -> Site:
    """A site with several of everything that can be listed."""
    site = cloud.new_site()
    lan, key = site.lan_recipient, site.organization_key
    for number in range(4):
        cloud.upload(lan, f"PROD-{number}", key=key)
        event = {"recipientId": lan, "printerSerial": "S", "eventType": "status_update", "eventStatus": "info"}
        member = {"userId": f"user-{number}", "role": "operator"}
        for path, body in (
            ("/control", pause(site)),
            ("/api/printer-events/report", event),
            ("/api/v1/keys", {"name": f"key {number}", "scopes": ["app"]}),
            ("/api/v1/memberships", member),
        ):
            answer = cloud.call("POST", path, key=key, json=body)
            assert answer.ok, f"{path}: {answer.text}"
    return site


@pytest.mark.parametrize(("method", "path"), LISTS)
def test_a_list_reads_what_it_returns_and_at_most_one_more(cloud: Cloud, busy: Site, method: str, path: str) -> None:
    where = path.format(lan=busy.lan_recipient, organization=busy.organization)
    body = {"recipientId": busy.lan_recipient} if method == "POST" else None
    cloud.call("GET", f"/control?recipientId={busy.lan_recipient}", key=busy.organization_key)
    answer, cost = call(cloud, method, where, key=busy.organization_key, json=body)
    assert answer.status_code == 200, answer.text
    listed = max(len(value) for value in answer.json().values() if isinstance(value, list))
    assert 0 < cost.reads <= listed + 1
    assert (cost.writes, cost.counts, cost.deletes) == (0, 0, 0)


def test_an_empty_list_is_one_read(cloud: Cloud, warm: Site) -> None:
    _, cost = call(cloud, "GET", f"/control?recipientId={warm.lan_recipient}", key=warm.lan_key)
    assert cost == Cost(reads=1)


SERIALS = [f"01P00A38120043{number}" for number in range(5)]


def report(cloud: Cloud, site: Site, temperature: int) -> Cost:
    """Five printers report in one request."""
    printers = [{"printerSerial": each, "status": {"state": "idle", "bedTemp": temperature}} for each in SERIALS]
    body = {"recipientId": site.lan_recipient, "printers": printers}
    answer, cost = call(cloud, "POST", "/api/printer-status/batch", key=site.lan_key, json=body)
    assert answer.status_code == 200, answer.text
    assert [result["error"] for result in answer.json()["results"]] == [None] * len(SERIALS)
    return cost


def test_a_batch_of_reports_is_one_write_for_each_printer_that_changed(cloud: Cloud, warm: Site) -> None:
    report(cloud, warm, 20)  # first sightings, with a sample of each
    assert [report(cloud, warm, degrees) for degrees in (21, 22)] == [Cost(reads=0, writes=5)] * 2
    assert report(cloud, warm, 22) == FREE


def test_a_failed_precondition_is_one_read(cloud: Cloud, warm: Site) -> None:
    report(cloud, warm, 20)
    one, other = cloud.documents("printers", warm.lan_recipient)[:2]
    cloud.backend.documents.commit(Update(one.path, {"note": "changed by another"}))
    assert report(cloud, warm, 21) == Cost(reads=1, writes=5)
    cloud.backend.documents.commit(*(Update(each.path, {"note": "again"}) for each in (one, other)))
    assert report(cloud, warm, 22) == Cost(reads=2, writes=5)
    assert report(cloud, warm, 23) == Cost(reads=0, writes=5)


def test_what_touches_no_document_costs_nothing_and_says_nothing(cloud: Cloud) -> None:
    _, cost = call(cloud, "GET", "/")
    assert cost == FREE


def test_a_key_its_organization_and_a_recipient_are_read_once(cloud: Cloud, site: Site) -> None:
    path = f"/control?recipientId={site.lan_recipient}"
    costs = [call(cloud, "GET", path, key=site.lan_key)[1] for _ in range(2)]
    assert costs == [Cost(reads=4), Cost(reads=1)]


def test_a_start_that_is_taken_reads_all_that_its_payload_tells(cloud: Cloud, warm: Site) -> None:
    body = {"recipient_id": warm.agent_recipient, "name": "Left", "serial": "01P00A381200434"}
    token = cloud.token(warm.organization)
    printer = cloud.call("POST", "/api/printers", token=token, json=body).json()["id"]
    file = cloud.upload(warm.agent_recipient)["fileId"]
    start = cloud.queue(warm.agent_recipient, "start_print", {"fileName": "a.3mf", "fileId": file}, printerId=printer)
    ack = {"recipientId": warm.agent_recipient, "commandId": start, "agentId": "agent-1", "status": "processing"}
    answer, cost = call(cloud, "POST", "/control/ack", key=warm.agent_key, json=ack)
    assert answer.json()["payload"]["printer_target"]["printer_id"] == printer
    assert cost == Cost(reads=7, writes=3)  # the command, its job (three times) and file (twice), the printer
