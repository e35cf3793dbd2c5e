"""Statistics of days that are over hold every job that ended then, whether an event of it came or not."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.metered import MeteredDocuments, billed
from printpipe.domain.ports.documents import Create, Put, Query, Update, Where
from printpipe.services.context import Context
from printpipe.services.statistics import counting, reconciling
from printpipe.services.statistics.reconciling import Reconciled, reconcile
from tests.counted_jobs import context_of, counted, ended_job, reckoned

NOW = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
"""Half past midnight of March 30 in Berlin, where the day before had 23 hours, and still March 29 in London."""

ZONES: Mapping[str, str] = {"berlin": "Europe/Berlin", "utc": "UTC"}


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    made = EmbeddedDocuments(tmp_path / "documents.db")
    for name, zone in ZONES.items():
        fields = {"organizationId": name, "name": name, "timeZone": zone, "createdAt": NOW - timedelta(days=30)}
        made.commit(Put(f"organizations/{name}", fields))
    yield made
    made.close()


def store(documents: EmbeddedDocuments, organization: str, ended_at: datetime, **more: Any) -> str:
    """A job that has ended, of which no event came; its id."""
    job = ended_job(organization, ended_at, seconds=60, **more)
    documents.commit(Create(f"print_jobs/{job.job_id}", job.data()))
    return job.job_id


def context(documents: EmbeddedDocuments, now: datetime = NOW) -> Context:
    return context_of(documents, lambda: now)


def days(documents: EmbeddedDocuments, organization: str) -> dict[str, int]:
    """How many jobs are counted for which day."""
    found = documents.query(Query("statistics", [Where("organizationId", "==", organization)]))
    by_day = counted({each.id.removeprefix(f"{organization}_"): each.data for each in found})
    return {day: counts["completed"] for day, (counts, _) in by_day.items()}


def test_jobs_that_nobody_told_of_are_counted_when_their_day_is_over_there(documents: EmbeddedDocuments) -> None:
    ends = [datetime(2026, 3, day, hour, 59, 59, tzinfo=UTC) for day, hour in ((28, 22), (28, 23), (29, 21), (29, 22))]
    for end in ends:
        store(documents, "berlin", end)
        store(documents, "utc", end)
    assert reconcile(context(documents)) == Reconciled(organizations=2, jobs=4, failed=0, complete=True)
    assert days(documents, "berlin") == {"2026-03-29": 2}
    assert days(documents, "utc") == {"2026-03-28": 2}
    assert reconcile(context(documents)) == Reconciled(0, 0, 0, complete=True)
    assert reconcile(context(documents, NOW + timedelta(hours=2))) == Reconciled(1, 2, 0, complete=True)
    assert days(documents, "utc") == {"2026-03-28": 2, "2026-03-29": 2}


def test_what_was_counted_rightly_is_left_and_what_was_not_is_corrected(documents: EmbeddedDocuments) -> None:
    end = NOW - timedelta(hours=4)
    right, wrong = store(documents, "berlin", end), store(documents, "berlin", end)
    for job in (right, wrong):
        counting.count(context(documents), job)
    documents.commit(Update(f"print_jobs/{wrong}", {"deletedAt": NOW}))
    reconcile(context(documents))
    assert days(documents, "berlin") == {"2026-03-29": 1}
    versions = [each.version for each in documents.query(Query("statistics"))]
    documents.commit(Update("organizations/berlin", {"reconciledDay": None}))
    assert reconcile(context(documents)).jobs == 2
    assert [each.version for each in documents.query(Query("statistics"))] == versions


def test_days_on_which_no_run_came_are_made_up_for(documents: EmbeddedDocuments) -> None:
    reconcile(context(documents))
    for day in range(10):
        store(documents, "berlin", NOW + timedelta(days=day, hours=1))
    reconcile(context(documents, NOW + timedelta(days=10)))
    assert list(days(documents, "berlin")) == [f"2026-04-{day:02}" for day in range(2, 9)]


def test_a_run_that_ends_before_its_end_goes_on_where_it_stopped(documents: EmbeddedDocuments) -> None:
    for number in range(130):
        store(documents, "berlin", NOW - timedelta(hours=3, seconds=number))
    store(documents, "utc", NOW - timedelta(hours=30))
    looks = 0

    def clock() -> datetime:
        """A run has time for a few looks at it."""
        nonlocal looks
        looks += 1
        return NOW + reconciling.LONGEST * (looks > 20)

    first = reconcile(context_of(documents, clock))
    assert (first.complete, 0 < first.jobs < 130) == (False, True)
    assert documents.get("bookmarks/statistics-reconcile") is not None
    second = reconcile(context(documents))
    assert (second.complete, second.jobs) == (True, 131 - first.jobs)
    assert days(documents, "berlin") == {"2026-03-29": 130}
    assert reconcile(context(documents)) == Reconciled(0, 0, 0, complete=True)


def test_two_runs_at_once_count_each_job_once(documents: EmbeddedDocuments) -> None:
    for number in range(30):
        store(documents, "berlin", NOW - timedelta(hours=3, seconds=number), printer=f"printer-{number % 3}")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(reconcile, [context(documents), context(documents)]))
    reconcile(context(documents))
    jobs = [each.data for each in documents.query(Query("print_jobs"))]
    found = documents.query(Query("statistics", [Where("organizationId", "==", "berlin")]))
    assert counted({each.id.removeprefix("berlin_"): each.data for each in found}) == reckoned(jobs, "Europe/Berlin")


def test_an_organization_that_is_being_erased_is_left_alone(documents: EmbeddedDocuments) -> None:
    store(documents, "berlin", NOW - timedelta(hours=3))
    documents.commit(Update("organizations/berlin", {"leavingSince": NOW}))
    assert reconcile(context(documents)) == Reconciled(organizations=1, jobs=0, failed=0, complete=True)
    assert days(documents, "berlin") == {}


def test_a_broken_job_keeps_nothing_else_back(documents: EmbeddedDocuments) -> None:
    broken = store(documents, "berlin", NOW - timedelta(hours=3))
    documents.commit(Update(f"print_jobs/{broken}", {"status": "made of cheese"}))
    store(documents, "berlin", NOW - timedelta(hours=3))
    assert reconcile(context(documents)).complete
    assert days(documents, "berlin") == {"2026-03-29": 1}


def test_an_hour_in_which_no_day_ended_costs_a_read_for_each_organization(documents: EmbeddedDocuments) -> None:
    reconcile(context(documents))
    with billed() as bill:
        reconcile(context_of(MeteredDocuments(documents), lambda: NOW + timedelta(minutes=20)))
    assert (bill.reads, bill.writes) == (1 + len(ZONES), 0)
