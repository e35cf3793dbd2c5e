"""An organization's book of jobs: for whom each is printed, on what, and what that costs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Literal

from printpipe.domain import periods, statistics
from printpipe.domain.errors import InvalidInput, Unavailable
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ids import Once
from printpipe.domain.job_progress import elapsed_seconds
from printpipe.domain.job_records import Cost, Costs, Customer, Job
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, DocumentChanged, Query, Update
from printpipe.domain.printer_records import Printer
from printpipe.domain.tenant_records import Organization
from printpipe.services.context import Context
from printpipe.services.jobs import cancellation, jobs
from printpipe.services.printers import printers
from printpipe.services.store import audit, job_queries
from printpipe.services.store.job_queries import Booked

MOST_LISTED = 1000
"""Jobs that a list goes through: a page that ends behind them is refused, for reading what it skips is billed."""

_TRIES = 10
_ACTIVE = (*sorted(AT_THE_PRINTER), JobStatus.UNKNOWN)
_WAITING = (JobStatus.HELD, JobStatus.QUEUED, JobStatus.CLAIMED)

Sorting = Literal["created_at", "start_time", "duration"]
Direction = Literal["asc", "desc"]


@dataclass(frozen=True)
class Wanted:
    """Which jobs a list shows, and in which order; None leaves a condition out.

    `printer` is whichever name it has. `since` and `until` are when a job was made, both included; a date is a day in
    the organization's time zone.
    """

    printer: str | None = None
    statuses: Sequence[JobStatus] | None = None
    is_business: bool | None = None
    since: date | None = None
    until: date | None = None
    sorting: Sorting = "created_at"
    direction: Direction = "desc"
    page: int = 1
    limit: int = 50


@dataclass(frozen=True)
class Shown:
    """A job with its file and printer, as far as they are known, and its organization's prices and currency."""

    job: Job
    file: StoredPrintFile | None
    printer: Printer | None
    organization: Organization
    now: datetime


@dataclass(frozen=True)
class Summary:
    """What an organization's jobs do now, and how many ended since its day began."""

    active: int
    queued: int
    completed_today: int
    failed_today: int


@dataclass(frozen=True)
class Listing:
    """A page of jobs, how many there are in all, and the summary of all the organization's jobs."""

    jobs: Sequence[Shown]
    total: int
    summary: Summary


@dataclass(frozen=True)
class Entries:
    """What a person writes into the book, by the names of a job's fields: only what is named changes.

    `customer` and `costs` hold the parts that change, by name; a cost is in 1/10,000 of the currency's unit, and None
    gives it back to be computed.
    """

    fields: Mapping[str, Any]
    customer: Mapping[str, str | None] | None = None
    costs: Mapping[str, int | None] | None = None
    forget_customer: bool = False


def listed(context: Context, wanted: Wanted) -> Listing:
    """A page of the organization's jobs, of the sites alone that the caller's key is for.

    In the order of their making a page reads what is on it and before it. In another order it is sorted out of the
    newest `MOST_LISTED`. Raises `InvalidInput` for a page beyond that many, `NotFound` for an unknown printer.
    """
    if wanted.page * wanted.limit > MOST_LISTED:
        raise InvalidInput(f"page: a list ends after {MOST_LISTED} jobs; narrow it down", field="page")
    organization = _organization(context)
    zone = statistics.zone_of(organization.time_zone)
    sources = _sources(context, wanted)
    since, until = _first(wanted.since, zone), _last(wanted.until, zone)
    if since is not None and until is not None and until < since:
        raise InvalidInput("The end lies before the start", field="end_date")
    total = sum(
        context.documents.count(_query(context, wanted, source, since, until, "desc", None)) for source in sources
    )
    begin = (wanted.page - 1) * wanted.limit
    found = _found(context, wanted, sources, since, until) if begin < total else []
    page = _shown(context, found[begin : begin + wanted.limit], organization)
    return Listing(page, total, _summary(context, zone))


def show(context: Context, number: int) -> Shown:
    """A job of the organization by its number. Raises `NotFound`, or `Forbidden` for another site's than the key's."""
    (shown,) = _shown(context, [Job.of(_own(context, number))], _organization(context))
    return shown


def update(context: Context, number: int, entries: Entries) -> Job:
    """Writes into the book of a job, whatever its state. Raises as `show` does."""
    for _ in range(_TRIES):
        document = _own(context, number)
        job = Job.of(document)
        after = job.model_copy(update=_changes(job, entries))
        changed = sorted(name for name in type(job).model_fields if getattr(after, name) != getattr(job, name))
        if not changed:
            return job
        after = after.model_copy(update={"updated_at": context.now()})
        done = audit.entry(
            context,
            "job.updated",
            job.organization_id,
            subject=job.job_id,
            recipient_id=job.recipient_id,
            detail=", ".join(changed),
        )
        try:
            context.documents.commit(
                Update(document.path, after.fields({*changed, "updated_at"}), document.version), done
            )
        except DocumentChanged:
            continue
        log("job_updated", printJobId=job.job_id, fields=changed)
        return after
    raise Unavailable("The job is being changed by others", retry_after=1)


def cancel(context: Context, number: int, once: Once) -> Job:
    """Cancels a job, as `cancellation.cancel` does. Raises likewise, and as `show` does."""
    return cancellation.cancel(context, _own(context, number).id, None, once)


def _own(context: Context, number: int) -> Document:
    document = jobs.by_number(context, number)
    context.recipient(document.data["recipientId"])
    return document


def _changes(job: Job, entries: Entries) -> dict[str, Any]:
    changes = dict(entries.fields)
    if entries.forget_customer:
        changes["customer"] = None
    if entries.customer is not None:
        customer = (job.customer or Customer()).model_copy(update=dict(entries.customer))
        changes["customer"] = None if customer == Customer() else customer
    if entries.costs is not None:
        changes["costs"] = _set(job.costs, entries.costs)
    return changes


def _set(costs: Costs, amounts: Mapping[str, int | None]) -> Costs:
    """The costs with those that a person sets. One given back is computed again; one that was computed stays."""
    changed: dict[str, Cost | None] = {}
    for name, amount in amounts.items():
        stands: Cost | None = getattr(costs, name)
        computed = stands if stands is not None and not stands.fixed else None
        changed[name] = computed if amount is None else Cost(amount=amount, fixed=True)
    return costs.model_copy(update=changed)


def _organization(context: Context) -> Organization:
    document = context.documents.get(f"{context.collections.organizations}/{context.tenant}")
    if document is None:
        return Organization(organization_id=context.tenant, name=context.tenant, created_at=context.now())
    return Organization.of(document)


def _sources(context: Context, wanted: Wanted) -> Sequence[Booked | None]:
    """What to look for in turn: the printer's jobs, else those of each site of the caller's key, or all."""
    if wanted.printer is not None:
        printer_id = printers.named(context, wanted.printer).id
        return [("printerId", printer_id), ("wantedPrinterId", printer_id)]
    sites = context.caller.recipient_ids
    return [None] if sites is None else [("recipientId", each) for each in sorted(sites)]


def _query(
    context: Context,
    wanted: Wanted,
    source: Booked | None,
    since: datetime | None,
    until: datetime | None,
    direction: Direction,
    limit: int | None,
) -> Query:
    statuses = [each.value for each in (JOBS if wanted.statuses is None else wanted.statuses)]
    return job_queries.jobs_by_creation(
        context.collections, context.tenant, statuses, wanted.is_business, source, since, until, direction, limit
    )


def _found(
    context: Context,
    wanted: Wanted,
    sources: Collection[Booked | None],
    since: datetime | None,
    until: datetime | None,
) -> list[Job]:
    """The jobs up to the page's end, in the order that is wanted."""
    by_creation = wanted.sorting == "created_at"
    limit = wanted.page * wanted.limit if by_creation else MOST_LISTED
    direction = wanted.direction if by_creation else "desc"
    found = [
        Job.of(document)
        for source in sources
        for document in context.documents.query(_query(context, wanted, source, since, until, direction, limit))
    ]
    found.sort(key=lambda job: (job.created_at, job.job_id), reverse=direction == "desc")
    return found if by_creation else _sorted(context, found[:MOST_LISTED], wanted)


def _sorted(context: Context, found: Sequence[Job], wanted: Wanted) -> list[Job]:
    """Those that have begun by when they did or for how long they have been printed, then the others."""
    begun, others = list[tuple[float, Job]](), list[Job]()
    for job in found:
        if wanted.sorting == "start_time":
            key = job.started_at.timestamp() if job.started_at else None
        else:
            key = elapsed_seconds(job, context.now())
        if key is None:
            others.append(job)
        else:
            begun.append((key, job))
    begun.sort(key=lambda each: each[0], reverse=wanted.direction == "desc")
    return [*(job for _, job in begun), *others]


def _shown(context: Context, found: Sequence[Job], organization: Organization) -> list[Shown]:
    files = {each.file_id: jobs.file_path(context, each.file_id) for each in found if each.file_id}
    machines = {
        id_: printers.path(context, id_) for each in found if (id_ := each.printer_id or each.wanted_printer_id)
    }
    paths = {*files.values(), *machines.values()}
    stored = context.documents.get_many(paths) if paths else {}
    now, shown = context.now(), list[Shown]()
    for job in found:
        file = stored.get(files.get(job.file_id or "", ""))
        printer = stored.get(machines.get(job.printer_id or job.wanted_printer_id or "", ""))
        shown.append(
            Shown(
                job,
                StoredPrintFile.of(file) if file else None,
                Printer.of(printer) if printer else None,
                organization,
                now,
            )
        )
    return shown


def _summary(context: Context, zone: tzinfo) -> Summary:
    today = periods.current("day", context.now(), zone).start
    sites = context.caller.recipient_ids
    places: Sequence[str | None] = [None] if sites is None else sorted(sites)
    collections, tenant, count = context.collections, context.tenant, context.documents.count

    def standing(statuses: Sequence[JobStatus]) -> int:
        return sum(
            count(job_queries.jobs_in_states(collections, tenant, each, [status.value for status in statuses]))
            for each in places
        )

    def ended(status: JobStatus) -> int:
        return sum(count(job_queries.jobs_ended(collections, tenant, each, status.value, today)) for each in places)

    return Summary(standing(_ACTIVE), standing(_WAITING), ended(JobStatus.COMPLETED), ended(JobStatus.FAILED))


def _first(day: date | None, zone: tzinfo) -> datetime | None:
    """The moment, or a day's beginning."""
    if day is None:
        return None
    local = periods.local_date(day, zone, "start_date")
    return day if isinstance(day, datetime) else periods.between(local, local, zone).start


def _last(day: date | None, zone: tzinfo) -> datetime | None:
    """The moment, or a day's end: the next one's beginning, less the least that is told apart."""
    if day is None:
        return None
    next_day = periods.local_date(day, zone, "end_date") + timedelta(days=1)
    if isinstance(day, datetime):
        return day
    return periods.between(next_day, next_day, zone).start - timedelta(milliseconds=1)
