"""Print jobs: their steps, and the one claim that a run of a job can have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from printpipe.domain.command_metadata import Start
from printpipe.domain.errors import Conflict, NotFound, Unavailable
from printpipe.domain.ids import Once, new_id
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, CommandStatus, JobStatus, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Document, DocumentChanged, DocumentExists, Update, Version, Write
from printpipe.domain.records import Claim, Command, Job, StoredPrintFile
from printpipe.domain.tenancy import Recipient
from printpipe.services import queries, receipts
from printpipe.services.commit import commit_new
from printpipe.services.context import Context

_TRIES = 3
_CLAIMABLE = frozenset({JobStatus.HELD, JobStatus.QUEUED})
_DOUBTFUL = _CLAIMABLE | {JobStatus.FAILED}
AT_WORK = frozenset({JobStatus.PRINTING, JobStatus.PAUSED})
"""A printer reports these itself; what becomes of the command that began them no longer matters."""


@dataclass(frozen=True)
class Startable:
    """A job that may be started: a stored one at its version, or a new one."""

    record: Job
    version: Version | None


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


def has_ended(context: Context, job_id: str) -> bool:
    """Whether the job has come to its end."""
    document = context.documents.get(path(context, job_id))
    return document is not None and not JOBS[JobStatus(document.data["status"])]


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
        or (job.status in _DOUBTFUL and _another_is_there(context, job, stops[job.job_id] or job.printer_serial))
    )


def _another_is_there(context: Context, job: Job, serial: str | None) -> bool:
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


def find_for_start(context: Context, recipient: Recipient, start: Start) -> Startable | None:
    """The job that an explicit start is about; None where it names only a file of the printer's site.

    Raises `NotFound` for a `jobId` or `fileId` of ours that is not there. A `printJobId` in the client's own note goes
    before the file while that job is open; it may be the client's own number, so one that is not ours is no error.
    """
    if start.job_id:
        return _stored(context, recipient, start.job_id)
    noted = find(context, recipient, start.note.job_id) if start.note and start.note.job_id else None
    if noted is not None and (JOBS[JobStatus(noted.data["status"])] or not start.file_id):
        return Startable(Job.of(noted), noted.version)
    return of_file(context, recipient, start.file_id)[0] if start.file_id else None


def of_file(context: Context, recipient: Recipient, file_id: str) -> tuple[Startable, StoredPrintFile]:
    """The file with its held job, or with a new one where that was started already: a second copy is a second job."""
    file_path, job_path = f"{context.collections.files}/{file_id}", path(context, file_id)
    found = context.documents.get_many([file_path, job_path])
    stored, job = found.get(file_path), found.get(job_path)
    if stored is None or stored.data["recipientId"] != recipient.id:
        raise NotFound("No such file", field="fileId")
    file = StoredPrintFile.of(stored)
    if job is not None and job.data["status"] == JobStatus.HELD.value:
        return Startable(Job.of(job), job.version), file
    return Startable(new(context, file), None), file


def start(context: Context, job: Startable, command: Command, *order: Create) -> None:
    """Gives the job's next run to a printer: the run's claim, the job's state and the order are one batch.

    Raises `Conflict` where the job cannot be started, or another was faster.
    """
    _check_claimable(job.record)
    now, run = context.now(), job.record.run + 1
    queued = job.record.model_copy(
        update={
            "status": JobStatus.QUEUED,
            "run": run,
            "printer_serial": command.printer_serial,
            "command_id": command.command_id,
            "queued_at": now,
            "updated_at": now,
        }
    )
    claim = Claim(job_id=queued.job_id, run=run, claimed_by=f"command:{command.command_id}", claimed_at=now)
    target = path(context, queued.job_id)
    stored: Write = Create(target, queued.data())
    if job.version is not None:
        stored = Update(target, queued.data(), job.version)
    newest = {"newestJobId": queued.job_id, "status": file_status(JobStatus.QUEUED)}
    mirror = [Update(_file_path(context, queued.file_id), newest)] if queued.file_id else []
    try:
        commit_new(context.documents, _claim(context, claim), stored, *order, *mirror)
    except DocumentExists:
        raise Conflict("The job has been claimed already", detail="claimed") from None
    except DocumentChanged:
        raise Unavailable("The job is being changed by others", retry_after=1) from None
    log("job_queued", printJobId=queued.job_id, fileId=queued.file_id, commandId=command.command_id)


def claim(context: Context, recipient_id: str, job_id: str, claimed_by: str, app_id: str, once: Once) -> Job:
    """Gives a job to a client that prints it itself; a repetition gets it too.

    Raises `Conflict` for everyone but the first.
    """
    recipient = context.recipient(recipient_id)
    try:
        return _claim_first(context, recipient, job_id, claimed_by, app_id, once)
    except Conflict:
        first = receipts.find(context, recipient.organization_id, once)
        if first is None:
            raise
        return Job.of(first.created)


def _claim_first(context: Context, recipient: Recipient, job_id: str, claimed_by: str, app_id: str, once: Once) -> Job:
    receipt = receipts.issue(context, recipient.organization_id, once, path(context, job_id))
    for _ in range(_TRIES):
        taken, proof, others = claim_writes(context, get(context, recipient, job_id), claimed_by, app_id)
        try:
            commit_new(context.documents, proof, *others, *receipt)
        except DocumentExists:
            raise Conflict("The job has been claimed already", detail="claimed") from None
        except DocumentChanged:
            continue  # by its claim, as the next look shows, or by something else
        log("job_claimed", printJobId=job_id, claimedBy=claimed_by)
        return taken
    raise Unavailable("The job is being changed by others", retry_after=1)


def claim_writes(
    context: Context, document: Document, claimed_by: str, app_id: str | None = None
) -> tuple[Job, Create, list[Update]]:
    """The job as claimed, its claim, and the updates that go with it. Raises `Conflict` where it is not to be had."""
    job = Job.of(document)
    _check_claimable(job)
    now, run = context.now(), job.run + 1
    note = {"claimedBy": claimed_by, "claimedAt": now}
    taken = job.model_copy(
        update={"status": JobStatus.CLAIMED, "run": run, "claimed_by": claimed_by, "claimed_at": now}
    )
    changes = {"status": JobStatus.CLAIMED.value, "run": run, "updatedAt": now, "appId": app_id, **note}
    updates = [Update(document.path, changes, document.version)]
    if job.file_id:
        status = {"status": file_status(JobStatus.CLAIMED), "newestJobId": job.job_id}
        updates.append(Update(_file_path(context, job.file_id), {**status, **note}))
    return taken, _claim(context, Claim(job_id=job.job_id, run=run, claimed_by=claimed_by, claimed_at=now)), updates


@dataclass(frozen=True)
class Step:
    """A step of a job's life: the writes that make it, for the caller's batch, and what to log once it stands."""

    writes: Sequence[Write] = ()
    event: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def note(self) -> None:
        """Logs the step."""
        if self.event:
            log(self.event, **self.fields)


NO_STEP = Step()


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
    by_start: bool = False,
) -> Step:
    """The step that takes a recipient's job to a state that was reported; none where it cannot go there.

    `seen_at` is when it was so: of two reports that do not end the job the later seen one stands. `by_start`: it is
    the end of the start command itself that tells; else a start that was not handed out ends with its job.
    """
    document = context.documents.get(path(context, job_id)) if job_id else None
    if document is None or document.data["recipientId"] != recipient_id:
        return NO_STEP
    status = JobStatus(document.data["status"])
    if seen_at is not None and _contradicts(status, to):
        return Step([_late_result(context, document, to, reason)], "job_result_refused", {"printJobId": job_id})
    if to not in JOBS[status] or status in unless:
        return NO_STEP
    last = document.data.get("seenAt")
    if JOBS[to] and seen_at is not None and last is not None and seen_at < last:
        return NO_STEP
    return _step(context, document, to, claimed_by=claimed_by, reason=reason, seen_at=seen_at, by_start=by_start)


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
        return job.model_copy(update={"status": to, "ended_at": context.now()}) if step.writes else job
    raise Unavailable("The job is being changed by others", retry_after=1)


def conclusion(context: Context, document: Document, to: JobStatus, reason: str | None) -> Step:
    """The step that ends a job; none where it ended so already. Raises `Conflict` as `conclude` does.

    A client that knows success and failure alone tells of a cancelled job as a failed one.
    """
    stands = JobStatus(document.data["status"])
    if stands == to or (not JOBS[stands] and not _contradicts(stands, to)):
        return NO_STEP
    if to not in JOBS[stands]:
        context.documents.commit(_late_result(context, document, to, reason))
        log("job_result_refused", printJobId=document.id, status=to, stands=stands)
        raise Conflict(f"The job is {stands} already", detail=stands.value)
    return _step(context, document, to, reason=reason)


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
    by_start: bool = False,
) -> Step:
    job, now = Job.of(document), context.now()
    note = {"claimedBy": claimed_by, "claimedAt": now} if to == JobStatus.CLAIMED else {}
    changes: dict[str, Any] = {"status": to.value, "updatedAt": now, **note}
    if to == JobStatus.PRINTING and job.started_at is None:
        changes["startedAt"] = now
    if not JOBS[to]:
        changes["endedAt"] = now
    if reason is not None:
        changes["reason"] = reason
    if seen_at is not None:
        changes["seenAt"] = seen_at
    writes = [Update(document.path, changes, document.version), *_mirror(context, job, to, note)]
    if not JOBS[to] and not by_start:
        writes += _start_withdrawn(context, job)
    return Step(writes, f"job_{to.value}", {"printJobId": job.job_id, "was": job.status.value, "why": reason})


def _start_withdrawn(context: Context, job: Job) -> list[Write]:
    """A start that nobody was given yet must not be given out once its job has ended."""
    if job.status != JobStatus.QUEUED or job.command_id is None:
        return []
    command = context.documents.get(f"{context.collections.printer_commands}/{job.command_id}")
    if command is None or command.data["status"] != CommandStatus.PENDING.value:
        return []
    changes = {"status": CommandStatus.CANCELLED.value, "completedAt": context.now()}
    return [Update(command.path, changes, command.version)]


def _check_claimable(job: Job) -> None:
    if job.run > 0 or job.status not in _CLAIMABLE:
        raise Conflict(f"The job is {job.status} already", detail=job.status.value)


def _stored(context: Context, recipient: Recipient, job_id: str) -> Startable:
    document = get(context, recipient, job_id)
    return Startable(Job.of(document), document.version)


def _claim(context: Context, claim: Claim) -> Create:
    return Create(f"{context.collections.claims}/{claim.job_id}_{claim.run}", claim.data())


def _mirror(context: Context, job: Job, status: JobStatus, note: Mapping[str, Any]) -> list[Write]:
    """A file shows the state of its newest job."""
    file = context.documents.get(_file_path(context, job.file_id)) if job.file_id else None
    if file is None or file.data.get("newestJobId", job.job_id) != job.job_id:
        return []
    return [Update(file.path, {"status": file_status(status), **note})]


def _file_path(context: Context, file_id: str) -> str:
    return f"{context.collections.files}/{file_id}"
