"""Print jobs as the people of an organization see them: listed, looked at, sent to the queue and removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, JobStatus, Priority
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, PreconditionFailed, Query, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.services.context import Context
from printpipe.services.jobs import dispatch, jobs, queue, steps
from printpipe.services.jobs.dispatch import Verdict
from printpipe.services.printers import printers
from printpipe.services.store import audit, paging, queries
from printpipe.services.store.paging import After, Page, Slice
from printpipe.services.store.queries import JobsOf

_TRIES = 10
_MAY_BE_SHOWN_LIVE = AT_THE_PRINTER | {JobStatus.CLAIMED, JobStatus.UNKNOWN}


@dataclass(frozen=True)
class Wanted:
    """Which jobs a list shows; None leaves a condition out. A job is a printer's that was given to it or is to be."""

    statuses: Sequence[JobStatus] | None = None
    printer_id: str | None = None
    product_id: str | None = None
    priority: Priority | None = None
    created_by: str | None = None
    recipient_id: str | None = None

    def admits(self, job: Job) -> bool:
        """Whether the list shows the job."""
        pairs = (
            (self.printer_id, job.printer_id or job.wanted_printer_id),
            (self.product_id, job.product_id),
            (self.priority, job.priority),
            (self.created_by, job.ordered_by),
            (self.recipient_id, job.recipient_id),
        )
        return all(asked in (None, has) for asked, has in pairs)


@dataclass(frozen=True)
class Shown:
    """A job; what its printer showed last, while it is there; and, while it waits, what keeps it from each printer."""

    job: Job
    live: Mapping[str, Any] | None = None
    waits: Sequence[Verdict] | None = None


def listed(context: Context, wanted: Wanted, part: Slice) -> Page[Job]:
    """The organization's jobs that are wanted, the newest first. A page of a rare kind may end before it is full."""

    def find(after: After | None, limit: int) -> list[Document]:
        return _found(context, wanted, after, limit)

    def parse(document: Document) -> Job | None:
        job = Job.of(document)
        return job if wanted.admits(job) else None

    return paging.sift(find, part, parse)


def show(context: Context, job_id: str) -> Shown:
    """A job of the organization. Raises `NotFound`."""
    return _shown(context, Job.of(jobs.own(context, job_id)))


def send(context: Context, job_id: str, printer_id: str | None, patience: timedelta | None, once: Once) -> Shown:
    """Sends a job to the queue, as `queue.send` does."""
    return _shown(context, queue.send(context, job_id, printer_id, patience, once))


def remove(context: Context, job_id: str) -> None:
    """Takes a job out of all lists; one that waits is cancelled with it.

    Raises `NotFound`, and `Conflict` for one that has been given to a printer or a client and has not ended.
    """
    for _ in range(_TRIES):
        document = jobs.own(context, job_id)
        job, step = Job.of(document), steps.NO_STEP
        if JOBS[job.status]:
            if job.status not in (JobStatus.HELD, JobStatus.QUEUED) or job.command_id is not None:
                raise Conflict(f"The job is {job.status}: cancel it first", detail=job.status.value)
            step = steps.cancelled(context, document)
        gone = {"deletedAt": context.now(), "updatedAt": context.now()}
        done = audit.entry(context, "job.deleted", job.organization_id, subject=job_id, recipient_id=job.recipient_id)
        try:
            context.documents.commit(*_with_fields(document, step.writes, gone), done)
        except PreconditionFailed:
            continue
        step.note()
        log("job_deleted", printJobId=job_id)
        return
    raise Unavailable("The job is being changed by others", retry_after=1)


def _with_fields(document: Document, writes: Sequence[Write], fields: Mapping[str, Any]) -> list[Write]:
    """The writes, the first of which is the document's own if there is any, with more fields of that document."""
    if not writes:
        return [Update(document.path, fields, document.version)]
    first, *others = writes
    assert isinstance(first, Update)
    return [replace(first, fields={**first.fields, **fields}), *others]


def _found(context: Context, wanted: Wanted, after: After | None, limit: int) -> list[Document]:
    """Jobs among which the wanted ones are: the store looks for states and for one thing more."""
    documents = [each for query in _questions(context, wanted, after, limit) for each in context.documents.query(query)]
    documents.sort(key=lambda each: (each.data["createdAt"], each.id), reverse=True)
    return documents[:limit]


def _questions(context: Context, wanted: Wanted, after: After | None, limit: int) -> list[Query]:
    collections, tenant = context.collections, context.tenant
    statuses = None if wanted.statuses is None else [each.value for each in wanted.statuses]
    if wanted.product_id is not None:
        of: JobsOf | None = ("productId", wanted.product_id)
        return [queries.jobs_of_organization(collections, tenant, statuses, of, after, limit)]
    if wanted.printer_id is not None:
        of = ("printerId", wanted.printer_id)
        return [
            queries.jobs_of_organization(collections, tenant, statuses, of, after, limit),
            queries.jobs_that_want_printer(collections, tenant, statuses, wanted.printer_id, after, limit),
        ]
    of = ("recipientId", wanted.recipient_id) if wanted.recipient_id is not None else None
    if wanted.created_by is not None:
        of = ("orderedBy", wanted.created_by)
    return [queries.jobs_of_organization(collections, tenant, statuses, of, after, limit)]


def _shown(context: Context, job: Job) -> Shown:
    if job.turn is not None:
        return Shown(job, waits=dispatch.verdicts(context, job))
    if job.printer_id is None or job.status not in _MAY_BE_SHOWN_LIVE:
        return Shown(job)
    document = context.documents.get(printers.path(context, job.printer_id))
    state = Printer.of(document).state if document else None
    return Shown(job, live=state.status if state else None)
