"""Prints that a client runs by itself and tells us of: tracked from their beginning, never dispatched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from printpipe.domain.errors import Conflict, Forbidden, NotFound, PrinterBusy, Unavailable
from printpipe.domain.ids import Once, new_id, public_number
from printpipe.domain.job_records import Job, Progress, Shop
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import DocumentExists, Write
from printpipe.domain.printer_records import Printer
from printpipe.services.context import Context
from printpipe.services.jobs import job_reports, jobs, steps
from printpipe.services.jobs.job_reports import Told
from printpipe.services.printers import printers, status_reports
from printpipe.services.printers.status_reports import Report
from printpipe.services.store import audit, queries, receipts
from printpipe.services.store.commit import commit_new

MOST_OPEN = 100
"""Prints at one printer that have not ended: its record holds them all."""

_TRIES = 5
_FAILED = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})
_PENDING = frozenset({JobStatus.HELD, JobStatus.QUEUED, JobStatus.CLAIMED})
_ACTIVE = (JobStatus.QUEUED, JobStatus.CLAIMED, *sorted(AT_THE_PRINTER), JobStatus.UNKNOWN)


@dataclass(frozen=True)
class Beginning:
    """A print that begins at a printer, and what the shop that ordered it calls it."""

    printer: str
    shop: Shop
    product_name: str | None = None
    model_file: str | None = None


@dataclass(frozen=True)
class News:
    """How a print goes on. `status` None: as before. `metrics` are what its printer measures, as printers report it."""

    status: JobStatus | None
    progress: Mapping[str, Any]
    message: str | None = None
    metrics: Mapping[str, Any] | None = None


def start(context: Context, begun: Beginning, once: Once) -> Job:
    """Tracks a print from now on: it occupies its printer, and has its own number beside that of the caller.

    A repetition gets the first one. Raises `NotFound` for a printer that is not the caller's, `Conflict` where the
    organization has a print of this number already, `PrinterBusy` where too many have not ended.
    """
    printer, number = printers.named(context, begun.printer), begun.shop.print_queue_id
    for _ in range(_TRIES):
        taken = jobs.by_queue_id(context, context.tenant, number)  # before the receipt, which was written with it
        first = receipts.find(context, context.tenant, once)
        if first is not None:
            return Job.of(first.created)
        standing = Printer.of(printer)
        job = _new(context, standing, begun)
        if taken is not None:
            raise Conflict("This print has a status already", field="print_queue_id")
        if len(standing.occupants) >= MOST_OPEN:
            raise PrinterBusy(f"{MOST_OPEN} prints have not ended at this printer", field="printer_id")
        proof, *others = jobs.creation(context, job)
        writes: list[Write] = [*others, jobs.queue_alias(context, job, number), steps.occupied(context, job, printer)]
        writes.append(
            audit.entry(
                context,
                "job.tracked",
                job.organization_id,
                subject=job.job_id,
                recipient_id=job.recipient_id,
                printer=job.printer_serial,
            )
        )
        receipt = receipts.issue(context, job.organization_id, once, jobs.path(context, job.job_id))
        try:
            commit_new(context.documents, proof, *writes, *receipt)
        except DocumentExists:
            continue  # by the same call, which was faster, or by another one of that number
        log("job_tracked", printJobId=job.job_id, printerId=job.printer_id)
        return job
    raise Unavailable("The print is being started by others", retry_after=1)


def update(context: Context, printer: str, number: int, news: News) -> Job:
    """Takes a print on as its client tells, and shows the same at its printer, unless our agent reports that itself.

    Raises `NotFound` for a print that is not at that printer, and what `job_reports.report` does.
    """
    document = printers.named(context, printer)
    job = _at(context, Printer.of(document), number)
    to = None if news.status == JobStatus.CLAIMED and job.status in _PENDING else news.status
    beside = {"message": news.message, "metrics": {**(job.metrics or {}), **news.metrics} if news.metrics else None}
    reason = news.message if to in _FAILED else None
    told = Told(to, news.progress, reason, {name: value for name, value in beside.items() if value is not None})
    after = job_reports.report(context, job.job_id, told)
    if JOBS[job.status] and not context.recipient(job.recipient_id).has_agent:
        status_reports.report_of(context, document.id, Report(None, None, _state(after)))
    return after


def find(context: Context, number: int) -> Job:
    """A print by its number, of whichever organization. Raises `NotFound`.

    What is shown of it to whom is for the caller to decide.
    """
    job_id = jobs.find_number(context, number)
    document = context.documents.get(jobs.path(context, job_id)) if job_id is not None else None
    if document is None or document.data.get("deletedAt") is not None:
        raise NotFound("No such print", field="id")
    return Job.of(document)


def may_see(context: Context, job: Job, printer: str | None) -> bool:
    """Whether the caller may see all of a print: it is its own, and at the printer that it names."""
    if printer is None or context.caller.organization_id != job.organization_id:
        return False
    try:
        return printers.named(context, printer).id == job.printer_id
    except (NotFound, Forbidden):
        return False


def active(context: Context, printer: str) -> Sequence[Job]:
    """The prints that were given to a printer and have not ended, the newest first. Raises `NotFound`."""
    found = Printer.of(printers.named(context, printer))
    statuses = [status.value for status in _ACTIVE]
    query = queries.jobs_of_organization(
        context.collections, found.organization_id, statuses, ("printerId", found.printer_id), None, MOST_OPEN
    )
    return [Job.of(each) for each in context.documents.query(query)]


def _new(context: Context, printer: Printer, begun: Beginning) -> Job:
    now = context.now()
    return Job(
        job_id=new_id(),
        number=public_number(now),
        organization_id=printer.organization_id,
        recipient_id=printer.recipient_id,
        product_name=begun.product_name,
        file_name=begun.model_file,
        status=JobStatus.CLAIMED,
        printer_id=printer.printer_id,
        printer_serial=printer.serial,
        claimed_by=context.caller.name,
        claimed_at=now,
        ordered_at=now,
        created_at=now,
        updated_at=now,
        external=True,
        shop=begun.shop,
        request_id=context.request_id,
        traceparent=context.traceparent,
    )


def _state(job: Job) -> dict[str, Any]:
    """What a print tells of its printer, as printers report it."""
    progress = job.progress or Progress()
    known = {
        "progress": progress.percent,
        "layer": progress.layer,
        "totalLayers": progress.total_layers,
        "remainingTime": progress.remaining_seconds,
        "fileName": job.file_name,
        **(job.metrics or {}),
    }
    state = "preparing" if job.status in _PENDING else job.status.value
    told = {"state": state, "printJobId": job.job_id}
    return {**told, **{name: value for name, value in known.items() if value is not None}}


def _at(context: Context, printer: Printer, number: int) -> Job:
    job = Job.of(jobs.by_number(context, number))
    if job.printer_id != printer.printer_id:
        raise NotFound("No such print at this printer", field="print_status_id")
    return job
