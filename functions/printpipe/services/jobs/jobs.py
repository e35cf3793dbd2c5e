"""Print jobs: how they are found, and the steps of their lives that others report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from printpipe.domain.errors import Conflict, NotFound, Unavailable
from printpipe.domain.ids import new_id
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, CommandStatus, JobStatus, Priority, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import REMOVE, Document, DocumentChanged, Update, Version, Write
from printpipe.domain.records import Command, Job, Occupant, Run, StoredPrintFile
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.store import queries

_TRIES = 3
_MOST_RUNS = 500
"""However often a start is not taken, a job is not tried for ever."""

_DOUBTFUL = frozenset({JobStatus.HELD, JobStatus.QUEUED, JobStatus.FAILED})
AT_WORK = frozenset({JobStatus.PRINTING, JobStatus.PAUSED})
"""A printer reports these itself; what becomes of the command that began them no longer matters."""

_LEAVES_A_PRINT = AT_WORK | {JobStatus.COMPLETED}


def path(context: Context, job_id: str) -> str:
    """Where the job is stored."""
    return f"{context.collections.print_jobs}/{job_id}"


def get(context: Context, recipient: Recipient, job_id: str) -> Document:
    """The job. Raises `NotFound` where it is not this recipient's."""
    document = find(context, recipient, job_id)
    if document is None:
        raise NotFound("No such job", field="jobId")
    return document


def find(context: Context, recipient: Recipient, job_id: str) -> Document | None:
    """The recipient's job; None for a number that is not one of ours, for a client may have its own."""
    document = context.documents.get(path(context, job_id))
    return document if document is not None and document.data["recipientId"] == recipient.id else None


def own(context: Context, job_id: str) -> Document:
    """A job of the caller's organization, at whichever site. Raises `NotFound`."""
    document = context.documents.get(path(context, job_id))
    if document is None or document.data["organizationId"] != context.caller.organization_id:
        raise NotFound("No such job", field="id")
    if document.data.get("deletedAt") is not None:
        raise NotFound("No such job", field="id")
    return document


def is_over(context: Context, start: Command) -> bool:
    """Whether a start must not be carried out any more: its job has ended or is to, or has gone on to another start."""
    document = context.documents.get(path(context, str(start.job_id)))
    return document is not None and has_left(Job.of(document), start)


def has_left(job: Job, start: Command) -> bool:
    """Whether a start of the job must not be carried out any more."""
    return not JOBS[job.status] or job.command_id != start.command_id or job.cancel_requested_at is not None


def out_of_reach(context: Context, recipient: Recipient, stops: Mapping[str, str | None]) -> frozenset[str]:
    """Which of these jobs a stop at their printer (its serial) would miss and reach another job instead.

    Those that their printer completed or cancelled, and those that failed by somebody's word or have not begun, if
    another job is at that printer: a stop is withheld only where it would surely do harm. Without jobs nothing is read.
    """
    found = context.documents.get_many(path(context, job_id) for job_id in stops) if stops else {}
    own = [Job.of(each) for each in found.values() if each.data["recipientId"] == recipient.id]
    return frozenset(
        job.job_id
        for job in own
        if job.status in (JobStatus.COMPLETED, JobStatus.CANCELLED)
        or (_may_be_elsewhere(job, stops[job.job_id]) and _another_is_there(context, job, stops[job.job_id]))
    )


def _may_be_elsewhere(job: Job, serial: str | None) -> bool:
    """Whether the job is not known to be at the printer of that serial, if one is said: it may have gone on."""
    return job.status in _DOUBTFUL or (None not in (serial, job.printer_serial) and serial != job.printer_serial)


def _another_is_there(context: Context, job: Job, stop_at: str | None) -> bool:
    serial = stop_at or job.printer_serial
    if serial is None:
        return False
    there = [status.value for status in AT_THE_PRINTER]
    query = queries.newest_jobs_at_printer(context.collections, job.recipient_id, serial, there, context.now(), 1)
    return bool(context.documents.query(query))


def new(context: Context, file: StoredPrintFile) -> Job:
    """Another job of a file, held."""
    now = context.now()
    return Job(
        job_id=new_id(),
        organization_id=file.organization_id,
        recipient_id=file.recipient_id,
        product_id=file.product_id,
        file_id=file.file_id,
        file_name=file.file_name,
        status=JobStatus.HELD,
        created_at=now,
        updated_at=now,
        request_id=context.request_id,
    )


def queued(job: Job, since: datetime, *, again: bool = False) -> dict[str, Any]:
    """The fields of a job's record that change as it begins to wait for a printer to be chosen: it has none yet.

    It keeps its age from when it first waited; `again`, because its start was not taken, also its deadline. One whose
    deadline has passed, or that was not sent to the queue, is held instead.
    """
    if job.wait_seconds is None:
        return held()
    waits_since = (job.waits_since if again else None) or since
    deadline_at = waits_since + timedelta(seconds=job.wait_seconds)
    if deadline_at <= since:
        return {**held(), "reason": TOO_LONG}
    queued_at = job.queued_at or since
    return {
        **_AT_NO_PRINTER,
        "status": JobStatus.QUEUED,
        "queued_at": queued_at,
        "waits": True,
        "waits_since": waits_since,
        "turn": f"{Priority.URGENT.rank - job.priority.rank} {queued_at.isoformat(timespec='milliseconds')}",
        "deadline_at": deadline_at,
        "updated_at": since,
    }


def held() -> dict[str, Any]:
    """The fields that change as a job goes back to a person."""
    forgotten = {"wait_seconds": None, "waits_since": None, "queued_at": None}
    return {**_AT_NO_PRINTER, **NOT_WAITING, **forgotten, "status": JobStatus.HELD}


TOO_LONG = "It waited for a printer for too long; send it again to print it"
"""Why a job is held again."""

NOT_WAITING: Mapping[str, Any] = {"waits": False, "turn": None, "deadline_at": None}
"""What a job's record says of the queue once the job is somebody's."""

_AT_NO_PRINTER: Mapping[str, Any] = {
    "command_id": None,
    "printer_id": None,
    "printer_serial": None,
    "claimed_by": None,
    "claimed_at": None,
    "progress": None,
    "seen_at": None,
}


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
    document = context.documents.get(path(context, job_id)) if job_id else None
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
        document = get(context, recipient, job_id)
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
        raise Conflict(f"The job is {stands} already", detail=stands.value)
    return _step(context, document, to, reason=reason, seen_at=seen_at)


def cancelled(context: Context, document: Document, reason: str | None = None) -> Step:
    """The step that ends a job by its owner's word, at whichever of its runs it is; a start of it is withdrawn."""
    return _step(context, document, JobStatus.CANCELLED, reason=reason)


def stopped(context: Context, stop: Command) -> Step:
    """The step of a job that was to be cancelled, once the stop that names it was carried out."""
    document = context.documents.get(path(context, stop.job_id)) if stop.job_id else None
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
    changes: dict[str, Any] = {**NOT_WAITING, "status": to, "updated_at": now, "runs": _runs(job, to, now, reason)}
    if to == JobStatus.CLAIMED:
        changes |= {"claimed_by": claimed_by, "claimed_at": now}
    if to == JobStatus.PRINTING and job.started_at is None:
        changes["started_at"] = now
    if seen_at is not None:
        changes["seen_at"] = seen_at
    if reason is not None:
        changes["reason"] = reason
    if not JOBS[to]:
        # What a polling client was shown it may have begun; our agent begins nothing that it has not claimed.
        never_taken = by_start is not None and by_start.status == CommandStatus.EXPIRED and by_start.via_bus
        changes |= _after_run(job, to, now, never_taken=never_taken)
    after = job.model_copy(update=changes)
    writes: list[Write] = [Update(document.path, after.fields(changes), document.version)]
    writes += [*shown(context, after), *_at_the_printer(context, job, to, seen_at or now)]
    if not JOBS[to] and by_start is None:
        writes += _start_withdrawn(context, job)
    noted = {"printJobId": job.job_id, "was": job.status.value, "run": job.run or None, "why": reason}
    event = f"job_{to.value}" if after.status == to else "job_run_ended"
    return Step(writes, event, noted, after.status)


def _runs(job: Job, to: JobStatus, now: datetime, reason: str | None) -> tuple[Run, ...]:
    """The job's runs, the last of which is now where a report takes it."""
    if not job.runs or job.runs[-1].ended_at is not None:
        return job.runs
    last, changes = job.runs[-1], dict[str, Any](status=to)
    if to in AT_WORK and last.started_at is None:
        changes["started_at"] = now
    if not JOBS[to]:
        changes |= {"ended_at": now, "reason": reason}
    return (*job.runs[:-1], last.model_copy(update=changes))


def _after_run(job: Job, to: JobStatus, now: datetime, *, never_taken: bool) -> dict[str, Any]:
    """What the end of a run means for the job: its end, unless there are plates left, or the start was never taken.

    A job of several plates goes on after a good one alone; what is to be cancelled ends in any case.
    """
    done = job.plates_completed + (to == JobStatus.COMPLETED)
    end = {"status": to, "plates_completed": done, "ended_at": now}
    if to == JobStatus.COMPLETED and done < job.plates_requested:
        if job.cancel_requested_at is None:
            return {**queued(job, now), "plates_completed": done}
        return {**end, "status": JobStatus.CANCELLED}
    again = never_taken and job.wait_seconds is not None and job.run < _MOST_RUNS
    return queued(job, now, again=True) if again and job.cancel_requested_at is None else end


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
    file = context.documents.get(file_path(context, job.file_id)) if job.file_id else None
    if file is None or file.data.get("newestJobId", job.job_id) != job.job_id:
        return []
    note = {"claimedBy": job.claimed_by, "claimedAt": job.claimed_at} if job.status == JobStatus.CLAIMED else {}
    return [Update(file.path, {"status": file_status(job.status), **note})]


def file_path(context: Context, file_id: str) -> str:
    """Where a job's file is stored."""
    return f"{context.collections.files}/{file_id}"
