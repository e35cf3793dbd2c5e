"""Cancelling a job: at once where nothing of it has begun, else by a stop at its printer."""

from printpipe.domain.commands import parse_order
from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import JOBS, CommandStatus, JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Document, PreconditionFailed, Update
from printpipe.domain.records import Command
from printpipe.services.commands import commands
from printpipe.services.commands.commands import Target
from printpipe.services.context import Context
from printpipe.services.jobs import jobs, steps
from printpipe.services.store import audit, receipts

_TRIES = 10
_MOST_STOPS = 50
_STOPS = "job's stop"
_ON_ITS_WAY = frozenset({CommandStatus.PENDING, CommandStatus.PROCESSING})


def cancel(context: Context, job_id: str, reason: str | None, once: Once) -> Job:
    """Cancels a job; one that is cancelled, or being cancelled, stays so.

    What has not begun ends at once, with its start withdrawn. What a printer has, or may have, is stopped: it ends when
    the stop or the printer tells so, and no further run of it begins. Raises `NotFound`; `Conflict` for a job that has
    ended otherwise, or is at a printer that is not known.
    """
    for _ in range(_TRIES):
        document = jobs.own(context, job_id)
        job = Job.of(document)
        receipt = receipts.issue_once(context, job.organization_id, once, document.path)
        if job.status == JobStatus.CANCELLED:
            return job
        if not JOBS[job.status]:
            raise Conflict(f"The job is {job.status} already", detail=job.status.value)
        try:
            if not has_begun(context, job):
                return _end(context, document, reason, receipt)
            job = _request(context, document, reason, receipt)
        except PreconditionFailed:
            continue
        _stop(context, job)
        return job
    raise Unavailable("The job is being changed by others", retry_after=1)


def has_begun(context: Context, job: Job) -> bool:
    """Whether the job may be at a printer: its start was given to our agent, or shown to a client that polls.

    A client that claimed it to print it by itself has only promised that.
    """
    if job.status == JobStatus.HELD or (job.status in (JobStatus.QUEUED, JobStatus.CLAIMED) and job.command_id is None):
        return False
    if job.status != JobStatus.QUEUED:
        return True
    document = context.documents.get(commands.path(context, str(job.command_id)))
    if document is None:
        return False
    start = Command.of(document)
    return start.status != CommandStatus.PENDING or not start.via_bus


def _end(context: Context, document: Document, reason: str | None, receipt: list[Create]) -> Job:
    step = steps.cancelled(context, document, reason)
    context.documents.commit(*step.writes, _noted(context, Job.of(document), "job.cancelled", reason), *receipt)
    step.note()
    return Job.of(jobs.own(context, document.id))


def _request(context: Context, document: Document, reason: str | None, receipt: list[Create]) -> Job:
    job = Job.of(document)
    if job.printer_serial is None:
        raise Conflict("Nobody told at which printer the job is: stop it there", field="id")
    if job.cancel_requested_at is not None:
        if receipt:
            context.documents.commit(*receipt)
        return job
    changes = {"cancel_requested_at": context.now(), "updated_at": context.now(), "reason": reason or job.reason}
    asked = job.model_copy(update=changes)
    context.documents.commit(
        Update(document.path, asked.fields(changes), document.version),
        _noted(context, job, "job.cancel_requested", reason),
        *receipt,
    )
    log("job_cancel_requested", printJobId=job.job_id, printerSerial=job.printer_serial)
    return asked


def _stop(context: Context, job: Job) -> None:
    """Orders a stop that names the job, unless one is on its way. Each has a number of its own, so that two are one."""
    order = parse_order("stop", {"printJobId": job.job_id}, ())
    for attempt in range(_MOST_STOPS):
        once = Once(_STOPS, f"{job.job_id} {job.run} {attempt}", _STOPS)
        sent = context.documents.get(commands.path(context, once.new_id(job.organization_id)))
        if sent is None:
            target = Target(job.printer_serial, printer_id=job.printer_id)
            commands.queue(context, job.recipient_id, target, order, None, once)
            return
        if _is_on_its_way(context, Command.of(sent)):
            return
    raise Conflict("The job was stopped too often: stop it at the printer", field="id")


def _is_on_its_way(context: Context, stop: Command) -> bool:
    overdue = stop.status == CommandStatus.PENDING and stop.expires_at <= context.now()
    return stop.status in _ON_ITS_WAY and not overdue


def _noted(context: Context, job: Job, action: str, reason: str | None) -> Create:
    return audit.entry(
        context,
        action,
        job.organization_id,
        subject=job.job_id,
        recipient_id=job.recipient_id,
        printer=job.printer_serial,
        detail=reason,
    )
