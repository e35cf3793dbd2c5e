"""Counts the jobs of days that are over once more: those too of whose end no event ever came.

Counting is idempotent: a job that was counted rightly costs reads alone. An organization's day is over when it is over
in its own time zone; what was reconciled last stands in the organization, and where a run had to stop in a bookmark.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from printpipe.domain import periods, statistics
from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Document, DocumentMissing, Update
from printpipe.domain.tenant_records import Organization
from printpipe.services.context import Context
from printpipe.services.statistics import counting
from printpipe.services.store import bookmarks, sweep_queries
from printpipe.services.store.abreast import each

MOST = 10_000
"""Jobs that one run counts again."""

LONGEST = timedelta(seconds=240)
"""Of a run; the next one begins after an hour."""

MOST_DAYS = 7
"""How far back it goes where no run came for a while."""

_PAGE = 100
_BOOKMARK = "statistics-reconcile"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Reconciled:
    """What a run did: organizations whose days it finished, jobs that it counted again, and whether it came to the end.

    `failed` are jobs that others kept changing meanwhile: their organization's day is counted once more.
    """

    organizations: int
    jobs: int
    failed: int
    complete: bool


@dataclass(frozen=True)
class _Place:
    """Where a run stops: behind an organization, or within one behind a job that ended at that time."""

    after: str | None = None
    within: str | None = None
    job: tuple[datetime, str] | None = None

    @classmethod
    def of(cls, bookmark: str | None) -> Self:
        """As it was noted; an id holds no space."""
        after, within, ended_at, job_id = [part or None for part in (bookmark or "   ").split(" ")]
        return cls(after, within, (datetime.fromisoformat(ended_at), job_id) if ended_at and job_id else None)

    @property
    def noted(self) -> str | None:
        """As it is noted; None for the beginning."""
        ended_at, job_id = (self.job[0].isoformat(), self.job[1]) if self.job else ("", "")
        text = " ".join((self.after or "", self.within or "", ended_at, job_id))
        return text if text.strip() else None


def reconcile(context: Context) -> Reconciled:
    """Counts again what has ended by the end of each organization's yesterday and was not counted again before.

    A run goes on where the last one stopped, and ends after `MOST` jobs or `LONGEST`.
    """
    began_at = bookmarks.read(context, _BOOKMARK)
    run = _Run(context, _Place.of(began_at))
    complete = run.go()
    bookmarks.move(context, _BOOKMARK, began_at, None if complete else run.place.noted)
    if run.jobs or run.organizations:
        log("statistics_reconciled", organizations=run.organizations, jobs=run.jobs, failed=run.failed)
    return Reconciled(run.organizations, run.jobs, run.failed, complete)


class _Run:
    """One run, from a place on."""

    def __init__(self, context: Context, place: _Place) -> None:
        self._context, self.place = context, place
        self._now = context.now()
        self._until = self._now + LONGEST
        self.organizations = self.jobs = self.failed = 0

    def go(self) -> bool:
        """Whether it came to the last organization."""
        for document in self._organizations():
            if not self._count_all(Organization.of(document), document.path):
                return False
            self.place = _Place(after=document.id)
        return not self._spent

    def _organizations(self) -> Iterator[Document]:
        while not self._spent:
            page = self._context.documents.query(
                sweep_queries.organizations_by_id(self._context.collections, self.place.after, _PAGE)
            )
            yield from page
            if len(page) < _PAGE:
                return

    @property
    def _spent(self) -> bool:
        return self.jobs >= MOST or self._context.now() >= self._until

    def _count_all(self, organization: Organization, path: str) -> bool:
        """Whether the run sufficed for an organization's days."""
        days = None if organization.leaving_since else self._days(organization)
        if days is None:
            return True
        stopped = self.place.job if self.place.within == organization.organization_id else None
        failed_before = self.failed
        last = stopped if stopped and days.start <= stopped[0] else None
        while True:
            if self._spent:
                self.place = _Place(self.place.after, organization.organization_id, last)
                return False
            query = sweep_queries.jobs_ended_between(
                self._context.collections,
                organization.organization_id,
                days.start,
                days.end + timedelta(seconds=1),
                last,
                min(_PAGE, MOST - self.jobs),
            )
            page = self._context.documents.query(query)
            self.failed += sum(not done for done in each(self._count, page))
            self.jobs += len(page)
            if not page:
                break
            last = page[-1].data["endedAt"], page[-1].id
        if self.failed == failed_before:
            self._finish(path, days.last)
        return True

    def _days(self, organization: Organization) -> periods.Period | None:
        """The days that are over and were not reconciled; None where there is none."""
        zone = statistics.zone_of(organization.time_zone)
        yesterday = self._now.astimezone(zone).date() - _DAY
        done = organization.reconciled_day
        first = yesterday if done is None else max(date.fromisoformat(done) + _DAY, yesterday - (MOST_DAYS - 1) * _DAY)
        first = max(first, organization.created_at.astimezone(zone).date())
        return periods.between(first, yesterday, zone) if first <= yesterday else None

    def _count(self, document: Document) -> bool:
        try:
            counting.count(self._context, document.id)
        except Unavailable:
            log_failure("job_not_reconciled", printJobId=document.id)
            return False  # the next run begins with the day again
        except Exception:
            log_failure("job_not_reconciled", printJobId=document.id)
        return True

    def _finish(self, path: str, day: date) -> None:
        self.organizations += 1
        try:
            self._context.documents.commit(Update(path, {"reconciledDay": day.isoformat()}))
        except DocumentMissing:
            return  # it was erased meanwhile
