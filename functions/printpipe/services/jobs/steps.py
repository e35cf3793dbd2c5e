"""The steps of jobs' lives: what reports, results and cancellations make of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.job_records import Job, Run
from printpipe.domain.lifecycles import JOBS, CommandStatus, JobStatus, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import REMOVE, Document, DocumentChanged, Update, Version, Write
from printpipe.domain.printer_records import Occupant
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.jobs import jobs
from printpipe.services.printers import printers

_TRIES = 3
_MOST_RUNS = 500
"""However often a start is not taken, a job is not tried for ever."""

AT_WORK = frozenset({JobStatus.PRINTING, JobStatus.PAUSED})
"""A printer reports these itself; what becomes of the command that began them no longer matters."""

_LEAVES_A_PRINT = AT_WORK | {JobStatus.COMPLETED}


@dataclass(frozen=True)
class Step:
    """A step of a job's life: the writes that make it, for the caller's batch, and what to log once it stands.

    `status` is where the job stands then; None where nothing changes.
    """

    writes: Sequence[Write] = ()
    event: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    status: JobStatus | None = None

    def note(self) -> None:
        """Logs the step."""
        if self.event:
            log(self.event, **self.fields)


NO_STEP = Step()


@dataclass(frozen=True)
class Source:
    """What a report says besides: the start command that it is about, and the printer's serial."""

    command_id: str | None = None
    printer_serial: str | None = None


def follow(
    context: Context,
    recipient_id: str,
    job_id: str | None,
    to: JobStatus,
    *,
    unless: frozenset[JobStatus] = frozenset(),
    claimed_by: str | None = None,
    reason: str | None = None,
    seen_at: datetime | None = None,
    source: Source | None = None,
    by_start: Command | None = None,
) -> Step:
    """The step that takes a recipient's job to a state that was reported; none where it cannot go there.

    `seen_at` is when it was so: of two reports that do not end the job the later seen one stands. `by_start`: it is
    what became of that start command that tells; else a start that was not handed out ends with its job.
    """
    document = context.documents.get(jobs.path(context, job_id)) if job_id else None
    if document is None or document.data["recipientId"] != recipient_id:
        return NO_STEP
    job = Job.of(document)
    if by_start is not None and job.command_id != by_start.command_id:
        return NO_STEP
    if by_start is None and _tells_of_an_earlier_run(job, to, seen_at, source or Source()):
        return NO_STEP
    if seen_at is not None and _contradicts(job.status, to):
        return Step([_late_result(context, document, to, reason)], "job_result_refused", {"printJobId": job_id})
    if to not in JOBS[job.status] or job.status in unless:
        return NO_STEP
    if JOBS[to] and seen_at is not None and job.seen_at is not None and seen_at < job.seen_at:
        return NO_STEP
    return _step(context, document, to, claimed_by=claimed_by, reason=reason, seen_at=seen_at, by_start=by_start)


def advance(context: Context, document: Document, to: JobStatus, reason: str | None) -> Step:
    """The step of a job by its owner's word; none where it cannot go there."""
    job = Job.of(document)
    if _tells_of_an_earlier_run(job, to, None, Source()) or to not in JOBS[job.status]:
        return NO_STEP
    return _step(context, document, to, reason=reason)


def conclude(context: Context, recipient: Recipient, job_id: str, to: JobStatus, reason: str | None = None) -> Job:
    """Ends a job as its printer's client reports. The same end again changes nothing.

    Raises `NotFound`, or `Conflict` for another end than the one that stands; it is kept as the job's `lateResult`.
    """
    for _ in range(_TRIES):
        document = jobs.get(context, recipient, job_id)
        try:
            step = conclusion(context, document, to, reason)
            if step.writes:
                context.documents.commit(*step.writes)
        except DocumentChanged:
            continue
        step.note()
        job = Job.of(document)
        return job.model_copy(update={"status": step.status, "ended_at": context.now()}) if step.status else job
    raise Unavailable("The job is being changed by others", retry_after=1)


def conclusion(
    context: Context,
    document: Document,
    to: JobStatus,
    reason: str | None,
    seen_at: datetime | None = None,
    source: Source | None = None,
) -> Step:
    """The step that ends a job; none where it ended so already. Raises `Conflict` as `conclude` does.

    A client that knows success and failure alone tells of a cancelled job as a failed one.
    """
    job = Job.of(document)
    stands = job.status
    if stands == to or (not JOBS[stands] and not _contradicts(stands, to)):
        return NO_STEP
    if _tells_of_an_earlier_run(job, to, seen_at, source or Source()):
        return NO_STEP
    if to not in JOBS[stands]:
        context.documents.commit(_late_result(context, document, to, reason))
        log("job_result_refused", printJobId=document.id, status=to, stands=stands)
        raise Conflict(f"The job is {stands} already", field="status", detail=stands.value)
    return _step(context, document, to, reason=reason, seen_at=seen_at)


def cancelled(context: Context, document: Document, reason: str | None = None) -> Step:
    """The step that ends a job by its owner's word, at whichever of its runs it is; a start of it is withdrawn."""
    return _step(context, document, JobStatus.CANCELLED, reason=reason)


def stopped(context: Context, stop: Command) -> Step:
    """The step of a job that was to be cancelled, once the stop that names it was carried out."""
    document = context.documents.get(jobs.path(context, stop.job_id)) if stop.job_id else None
    if document is None or document.data["recipientId"] != stop.recipient_id:
        return NO_STEP
    job = Job.of(document)
    return cancelled(context, document) if JOBS[job.status] and job.cancel_requested_at is not None else NO_STEP


def occupied(context: Context, job: Job, printer: Document, version: Version | None = None) -> Update:
    """The write that notes a job at the printer that it was given to."""
    occupant = Occupant(at=context.now(), by=job.ordered_by)
    return Update(printer.path, {f"occupants.{job.job_id}": occupant.data()}, version)


def _tells_of_an_earlier_run(job: Job, to: JobStatus, seen_at: datetime | None, source: Source) -> bool:
    """Whether a report is about a run that is over: the job of several plates waits, or has begun the next.

    Our agent names the start that it tells of. Another client's repetition is known by its printer, by its clock, or
    because it tells that a plate is done of which nobody has seen the beginning.
    """
    if not job.runs or not JOBS[job.status]:
        return False
    if job.status in (JobStatus.HELD, JobStatus.QUEUED) and job.command_id is None:
        return True
    last = job.runs[-1]
    if source.command_id is not None and last.command_id is not None:
        return source.command_id != last.command_id
    if job.run < 2:
        return False
    if None not in (source.printer_serial, last.printer_serial) and source.printer_serial != last.printer_serial:
        return True
    if seen_at is not None and job.seen_at is not None and seen_at < job.seen_at:
        return True
    return to == JobStatus.COMPLETED and job.plates_completed > 0 and last.started_at is None


def occupied_by_start(context: Context, start: Command, printer: Document) -> Update:
    """The write that notes at a printer a start of what is no job of ours, until that command has ended."""
    occupant = Occupant(at=context.now(), by=context.caller.user_id, command_id=start.command_id)
    return Update(printer.path, {f"occupants.{start.command_id}": occupant.data()})


def start_over(context: Context, start: Command) -> Step:
    """The step that goes with the end of such a start: its printer is free of it."""
    if start.printer_id is None:
        return NO_STEP
    return Step([Update(printers.path(context, start.printer_id), {f"occupants.{start.command_id}": REMOVE})])


def _contradicts(stands: JobStatus, told: JobStatus) -> bool:
    """Whether somebody tells of another end than the one that stands."""
    if JOBS[stands] or JOBS[told]:
        return False
    return stands != told and (stands, told) != (JobStatus.CANCELLED, JobStatus.FAILED)


def _late_result(context: Context, document: Document, told: JobStatus, reason: str | None) -> Update:
    late = {"status": told.value, "reason": reason, "receivedAt": context.now()}
    return Update(document.path, {"lateResult": late}, document.version)


def _step(
    context: Context,
    document: Document,
    to: JobStatus,
    *,
    claimed_by: str | None = None,
    reason: str | None = None,
    seen_at: datetime | None = None,
    by_start: Command | None = None,
) -> Step:
    job, now = Job.of(document), context.now()
    if to == JobStatus.FAILED and job.cancel_requested_at is not None:
        to = JobStatus.CANCELLED  # printers tell of a print that was stopped as of one that failed
    at = _moment(job, seen_at, now)
    changes: dict[str, Any] = {**jobs.NOT_WAITING, "status": to, "updated_at": now, "runs": _runs(job, to, at, reason)}
    if to == JobStatus.CLAIMED:
        changes |= {"claimed_by": claimed_by, "claimed_at": now}
    if to == JobStatus.PRINTING and job.started_at is None:
        changes["started_at"] = at
    if seen_at is not None:
        changes["seen_at"] = seen_at
    if reason is not None:
        changes["reason"] = reason
    if not JOBS[to]:
        # What a polling client was shown it may have begun; our agent begins nothing that it has not claimed.
        never_taken = by_start is not None and by_start.status == CommandStatus.EXPIRED and by_start.via_bus
        changes |= _after_run(job, to, at, now, never_taken=never_taken)
    after = job.model_copy(update=changes)
    writes: list[Write] = [Update(document.path, after.fields(changes), document.version)]
    writes += [*shown(context, after), *_at_the_printer(context, job, to, seen_at or now)]
    if not JOBS[to] and by_start is None:
        writes += _start_withdrawn(context, job)
    noted = {"printJobId": job.job_id, "was": job.status.value, "run": job.run or None, "why": reason}
    event = f"job_{to.value}" if after.status == to else "job_run_ended"
    return Step(writes, event, noted, after.status)


def _moment(job: Job, seen_at: datetime | None, now: datetime) -> datetime:
    """When it was so: a report can come days later. By a clock that is plainly wrong, it is so since now."""
    if seen_at is None:
        return now
    last = job.runs[-1] if job.runs else None
    begun = (last.started_at or last.ordered_at) if last else (job.started_at or job.created_at)
    return seen_at if begun <= seen_at <= now else now


def _runs(job: Job, to: JobStatus, at: datetime, reason: str | None) -> tuple[Run, ...]:
    """The job's runs, the last of which is now where a report takes it."""
    if not job.runs or job.runs[-1].ended_at is not None:
        return job.runs
    last, changes = job.runs[-1], dict[str, Any](status=to)
    if to in AT_WORK and last.started_at is None:
        changes["started_at"] = at
    if not JOBS[to]:
        changes |= {"ended_at": at, "reason": reason}
    return (*job.runs[:-1], last.model_copy(update=changes))


def _after_run(job: Job, to: JobStatus, at: datetime, now: datetime, *, never_taken: bool) -> dict[str, Any]:
    """What the end of a run means for the job: its end, unless there are plates left, or the start was never taken.

    A job of several plates goes on after a good one alone; what is to be cancelled ends in any case.
    """
    done = job.plates_completed + (to == JobStatus.COMPLETED)
    end = {"status": to, "plates_completed": done, "ended_at": at}
    if to == JobStatus.COMPLETED and done < job.plates_requested:
        if job.cancel_requested_at is None:
            return {**jobs.queued(job, now), "plates_completed": done}
        return {**end, "status": JobStatus.CANCELLED}
    again = never_taken and job.wait_seconds is not None and job.run < _MOST_RUNS
    return jobs.queued(job, now, again=True) if again and job.cancel_requested_at is None else end


def _at_the_printer(context: Context, job: Job, to: JobStatus, seen_at: datetime) -> list[Write]:
    """A run's end gives its printer free; once it printed, something lies on the plate."""
    if job.printer_id is None:
        return []
    changes: dict[str, Any] = {}
    if _soils(context, job, to, seen_at):
        changes["plateCleared"] = False
    if not JOBS[to]:
        changes[f"occupants.{job.job_id}"] = REMOVE
    return [Update(printers.path(context, job.printer_id), changes)] if changes else []


def _soils(context: Context, job: Job, to: JobStatus, seen_at: datetime) -> bool:
    """Whether the plate is taken now: from when a run prints to its end, if nobody said after that that it is clear."""
    if to in _LEAVES_A_PRINT and job.status not in AT_WORK:
        return True
    if JOBS[to] or not (job.status in AT_WORK or (job.runs and job.runs[-1].started_at)):
        return False
    document = context.documents.get(printers.path(context, str(job.printer_id)))
    cleared_at = document.data.get("plateClearedAt") if document else None
    return cleared_at is None or cleared_at <= seen_at


def _start_withdrawn(context: Context, job: Job) -> list[Write]:
    """A start that nobody was given yet must not be given out once its job has ended."""
    if job.status != JobStatus.QUEUED or job.command_id is None:
        return []
    command = context.documents.get(f"{context.collections.printer_commands}/{job.command_id}")
    if command is None or command.data["status"] != CommandStatus.PENDING.value:
        return []
    changes = {"status": CommandStatus.CANCELLED.value, "completedAt": context.now()}
    return [Update(command.path, changes, command.version)]


def shown(context: Context, job: Job) -> list[Write]:
    """The write by which a file shows the state of its newest job."""
    file = context.documents.get(jobs.file_path(context, job.file_id)) if job.file_id else None
    if file is None or file.data.get("newestJobId", job.job_id) != job.job_id:
        return []
    note = {"claimedBy": job.claimed_by, "claimedAt": job.claimed_at} if job.status == JobStatus.CLAIMED else {}
    return [Update(file.path, {"status": file_status(job.status), **note})]
