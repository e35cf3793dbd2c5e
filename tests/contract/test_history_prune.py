"""The history of printers' status keeps the newest thousand samples of each."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from printpipe.domain.ports.documents import Create, Query, Where
from printpipe.domain.printer_records import Printer, StatusUpdate
from tests.backends import embedded, google
from tests.cloud import Cloud, Site, running
from tests.contract.wire_examples import examples

ONE_BACKEND_AT_REDUCED_COUNTS = True

FUNCTION = "trigger-history-prune"
START = datetime(2025, 10, 31, 10, tzinfo=UTC)


@pytest.fixture(scope="module", params=["embedded", pytest.param("google", marks=pytest.mark.emulators)])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Functions of the module's own: each run goes through the printers of all tenants."""
    folder = tmp_path_factory.mktemp("prune")
    made: Any = embedded(folder) if request.param == "embedded" else google(request.getfixturevalue("emulators"))
    with made as backend, running(backend, folder) as functions:
        yield functions


@pytest.fixture
def printer(cloud: Cloud, site: Site) -> Callable[..., str]:
    """Makes a printer with that many samples in its history, of one second each; its id."""

    def make(samples: int, *, deleted: bool = False) -> str:
        made = Printer(
            printer_id=f"printer-{secrets.token_hex(6)}",
            organization_id=site.organization,
            recipient_id=site.agent_recipient,
            active=not deleted,
            created_at=START,
            deleted_at=START if deleted else None,
        )
        writes = [
            Create(f"printer_status_updates/{made.printer_id}-{number:04}", sample(site, made.printer_id, number))
            for number in range(samples)
        ]
        cloud.backend.documents.commit(Create(f"printers/{made.printer_id}", made.data()))
        for first in range(0, samples, 500):
            cloud.backend.documents.commit(*writes[first : first + 500])
        return made.printer_id

    return make


def sample(site: Site, printer_id: str | None, number: int) -> dict[str, Any]:
    moment = START + timedelta(seconds=number)
    return StatusUpdate(
        update_id=f"{printer_id}-{number:04}",
        organization_id=site.organization,
        recipient_id=site.agent_recipient,
        printer_id=printer_id,
        status={"state": "idle"},
        timestamp=moment,
        created_at=moment,
        expires_at=moment + timedelta(days=90),
    ).data()


def numbers(cloud: Cloud, printer_id: str) -> Sequence[int]:
    """Which samples of a printer there are."""
    query = Query("printer_status_updates", [Where("printerId", "==", printer_id)], [("createdAt", "asc")])
    return [int(document.id.rpartition("-")[2]) for document in cloud.backend.documents.query(query)]


def test_the_newest_thousand_of_each_printer_stay(cloud: Cloud, site: Site, printer: Callable[..., str]) -> None:
    many, few, deleted = printer(1050), printer(3), printer(1001, deleted=True)
    stray = f"printer_status_updates/{secrets.token_hex(6)}"
    cloud.backend.documents.commit(Create(stray, sample(site, None, 0)))
    cloud.fire(FUNCTION)
    kept = {each: numbers(cloud, each) for each in (many, few, deleted)}
    assert kept == {many: [*range(50, 1050)], few: [0, 1, 2], deleted: [*range(1, 1001)]}
    assert cloud.backend.documents.get(stray)
    cloud.fire(FUNCTION)
    assert {each: numbers(cloud, each) for each in kept} == kept


def test_two_runs_at_once_delete_no_more_than_one(cloud: Cloud, printer: Callable[..., str]) -> None:
    many = printer(1600)
    with ThreadPoolExecutor(2) as pool:
        for run in [pool.submit(cloud.fire, FUNCTION) for _ in range(2)]:
            run.result()
    assert numbers(cloud, many) == [*range(600, 1600)]


def test_a_tick_is_taken_as_its_example_says(cloud: Cloud) -> None:
    (example,) = examples(FUNCTION)
    event = example["event"]
    headers = {
        "ce-id": event["json"]["message"]["messageId"],
        "ce-source": event["source"],
        "ce-type": event["type"],
        "ce-specversion": "1.0",
        "ce-time": event["json"]["message"]["publishTime"],
    }
    answer = cloud.call("POST", f"/{FUNCTION}", headers=headers, json=event["json"])
    assert answer.status_code == 200, answer.text
