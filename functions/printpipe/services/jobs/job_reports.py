"""What people, and agents of their own, say of a job: where it stands and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.fitting import activity_now
from printpipe.domain.ids import NO_KEY
from printpipe.domain.job_records import Job, Progress
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, DocumentChanged, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.services.context import Context
from printpipe.services.jobs import cancellation, jobs, steps
from printpipe.services.printers import printers
from printpipe.services.store import audit

_TRIES = 5
_WAITING = frozenset({JobStatus.HELD, JobStatus.QUEUED})
_IN_DOUBT = frozenset({JobStatus.CLAIMED, JobStatus.UNKNOWN})


@dataclass(frozen=True)
class Told:
    """A state, with the numbers that were told beside it; without a state it stays as it is.

    `beside` are fields of the job's record, by name, that were told with it.
    """

    status: JobStatus | None
    progress: Mapping[str, Any]
    reason: str | None = None
    beside: Mapping[str, Any] = field(default_factory=dict)


def report(context: Context, job_id: str, told: Told) -> Job:
    """Takes a job to the state that somebody tells of. The same state again, or none, changes its progress alone.

    Of a print that our agent began, a person's word counts where the agent's does not come: its end, once it was
    claimed or its state is unknown, or while its printer is silent. Raises `NotFound`, and `Conflict` for a step that
    the job cannot take; another end than the one that stands is kept as its `lateResult`.
    """
    for _ in range(_TRIES):
        document = jobs.own(context, job_id)
        job = Job.of(document)
        if told.status == JobStatus.CANCELLED and job.status in _WAITING:
            return cancellation.cancel(context, job_id, told.reason, NO_KEY)
        try:
            step = _step(context, document, told)
            writes = _writes(context, document, step, told)
            if writes:
                context.documents.commit(*writes)
        except DocumentChanged:
            continue
        step.note()
        return Job.of(jobs.own(context, job_id)) if writes else job
    raise Unavailable("The job is being changed by others", retry_after=1)


def _step(context: Context, document: Document, told: Told) -> steps.Step:
    job = Job.of(document)
    if told.status in (None, job.status):
        return steps.NO_STEP
    if told.status in _WAITING:
        raise Conflict("A job is not put back by a report; cancel it, or send it", field="status")
    if JOBS[job.status] and _is_agents(context, job) and (JOBS[told.status] or not _is_in_doubt(context, job)):
        raise Conflict(f"The job is {job.status}: only the agent at its printer tells of it", field="status")
    if not JOBS[told.status]:
        return steps.conclusion(context, document, told.status, told.reason)
    step = steps.advance(context, document, told.status, told.reason)
    if not step.writes:
        raise Conflict(f"The job is {job.status} already", field="status", detail=job.status.value)
    return step


def _is_agents(context: Context, job: Job) -> bool:
    """Whether our agent has begun the job, or is to."""
    if job.command_id is None:
        return False
    recipient = context.directory.recipient(job.recipient_id)
    return recipient is not None and recipient.has_agent


def _is_in_doubt(context: Context, job: Job) -> bool:
    """Whether nobody may ever tell how the job ended: its agent, or its printer, is not heard."""
    return job.status in _IN_DOUBT or (job.status in AT_THE_PRINTER and _is_silent(context, job))


def _is_silent(context: Context, job: Job) -> bool:
    """Whether the job's printer is offline, or is not known at all."""
    if job.printer_id is not None:
        document = context.documents.get(printers.path(context, job.printer_id))
    elif job.printer_serial is not None:
        document = printers.find(context, job.organization_id, [job.printer_serial])[job.printer_serial].printer
    else:
        document = None
    return activity_now(Printer.of(document).state if document else None, context.now()) == "offline"


def _writes(context: Context, document: Document, step: steps.Step, told: Told) -> list[Write]:
    job = Job.of(document)
    stands = step.status or job.status
    fields: dict[str, Any] = {}
    if told.progress and JOBS[stands] and stands not in _WAITING:
        progress = (job.progress or Progress()).model_copy(update=told.progress)
        fields = {"progress": progress.data(), "updatedAt": context.now()}
    if told.beside and JOBS[job.status]:
        noted = job.model_copy(update={**told.beside, "updated_at": context.now()})
        fields |= noted.fields({*told.beside, "updated_at"})
    if not step.writes:
        if fields:
            log("job_progress", printJobId=job.job_id)
        return [Update(document.path, fields, document.version)] if fields else []
    first, *others = step.writes
    assert isinstance(first, Update)
    writes = [replace(first, fields={**first.fields, **fields}), *others]
    if told.status is not None and not JOBS[told.status]:
        said = f"{told.status}: {told.reason}" if told.reason else told.status.value
        writes.append(
            audit.entry(
                context,
                "job.ended",
                job.organization_id,
                subject=job.job_id,
                recipient_id=job.recipient_id,
                printer=job.printer_serial,
                detail=said,
            )
        )
    return writes
