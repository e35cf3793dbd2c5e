"""How a job's next run begins: given to a printer by a start command, or to a client that prints it itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from printpipe.domain.command_metadata import Start
from printpipe.domain.errors import Conflict, NotFound, Unavailable
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Claim, Job, Run
from printpipe.domain.lifecycles import JOBS, JobStatus, file_status
from printpipe.domain.log import log
from printpipe.domain.measures import measured
from printpipe.domain.ports.documents import Create, Document, DocumentChanged, DocumentExists, Update, Version, Write
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.jobs import jobs, steps
from printpipe.services.store import receipts
from printpipe.services.store.commit import commit_new

_TRIES = 3
_CLAIMABLE = frozenset({JobStatus.HELD, JobStatus.QUEUED})


@dataclass(frozen=True)
class Startable:
    """A job that may be started: a stored one at its version, or a new one."""

    record: Job
    version: Version | None


@dataclass(frozen=True)
class Place:
    """The printer that a run is given to; `exactly` as it was read, or else whatever became of it since."""

    printer: Document
    exactly: bool = False


def find(context: Context, recipient: Recipient, start: Start) -> Startable | None:
    """The job that an explicit start is about; None where it names only a file of the printer's site.

    Raises `NotFound` for a `jobId` or `fileId` of ours that is not there. A `printJobId` in the client's own note goes
    before the file while that job is open; it may be the client's own number, so one that is not ours is no error.
    """
    if start.job_id:
        document = jobs.get(context, recipient, start.job_id)
        return Startable(Job.of(document), document.version)
    noted = jobs.find(context, recipient, start.note.job_id) if start.note and start.note.job_id else None
    if noted is not None and (JOBS[JobStatus(noted.data["status"])] or not start.file_id):
        return Startable(Job.of(noted), noted.version)
    return of_file(context, recipient, start.file_id)[0] if start.file_id else None


def of_file(context: Context, recipient: Recipient, file_id: str) -> tuple[Startable, StoredPrintFile]:
    """The file with its held job, or with a new one where that was started already: a second copy is a second job."""
    file_path, job_path = jobs.file_path(context, file_id), jobs.path(context, file_id)
    found = context.documents.get_many([file_path, job_path])
    stored, job = found.get(file_path), found.get(job_path)
    if stored is None or stored.data["recipientId"] != recipient.id or stored.data.get("deletedAt") is not None:
        raise NotFound("No such file", field="fileId")
    file = StoredPrintFile.of(stored)
    if job is not None and job.data["status"] == JobStatus.HELD.value:
        return Startable(Job.of(job), job.version), file
    return Startable(jobs.new(context, file), None), file


def order(context: Context, job: Startable, command: Command, place: Place | None, beside: Sequence[Write]) -> None:
    """Gives the job's next run to a printer: the run's claim, the job's state and the command are one batch.

    `beside` are the writes that make the command known. Raises `Conflict` where the job cannot be started, or another
    was faster; `DocumentChanged` where the `place` is not what it was any more, or `Unavailable` where the job is not.
    """
    check(job.record)
    now = context.now()
    given = _given(job.record, command, now)
    target = jobs.path(context, given.job_id)
    stored: Sequence[Write] = [Update(target, given.data(), job.version)]
    if job.version is None:
        stored = jobs.creation(context, given)
    writes = [*stored, *beside, *_mirror(context, given)]
    if place is not None:
        writes.append(steps.occupied(context, given, place.printer, place.printer.version if place.exactly else None))
    try:
        commit_new(context.documents, _claim(context, given, f"command:{command.command_id}", now), *writes)
    except DocumentExists:
        if job.version is None and jobs.find_number(context, given.number) is not None:
            raise Unavailable("Another job was faster with this number", retry_after=1) from None
        raise Conflict("The job has been claimed already", detail="claimed") from None
    except DocumentChanged:
        if place is not None and place.exactly:
            raise
        raise Unavailable("The job is being changed by others", retry_after=1) from None
    log(
        "job_queued",
        printJobId=given.job_id,
        fileId=given.file_id,
        commandId=command.command_id,
        printerId=given.printer_id,
        run=given.run,
    )
    if job.record.waits_since is not None:
        measured("dispatch_wait", (now - job.record.waits_since).total_seconds(), priority=job.record.priority.value)


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
    receipt = receipts.issue(context, recipient.organization_id, once, jobs.path(context, job_id))
    for _ in range(_TRIES):
        taken, proof, others = claim_writes(context, jobs.get(context, recipient, job_id), claimed_by, app_id)
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
    job, now = Job.of(document), context.now()
    check(job)
    changes = {
        **jobs.NOT_WAITING,
        "status": JobStatus.CLAIMED,
        "run": job.run + 1,
        "runs": (*job.runs, Run(number=job.run + 1, status=JobStatus.CLAIMED, ordered_at=now)),
        "claimed_by": claimed_by,
        "claimed_at": now,
        "app_id": app_id,
        "updated_at": now,
    }
    taken = job.model_copy(update=changes)
    updates = [Update(document.path, taken.fields(changes), document.version)]
    if job.file_id:
        status = {"status": file_status(JobStatus.CLAIMED), "newestJobId": job.job_id}
        updates.append(
            Update(jobs.file_path(context, job.file_id), {**status, "claimedBy": claimed_by, "claimedAt": now})
        )
    return taken, _claim(context, taken, claimed_by, now), updates


def check(job: Job) -> None:
    """Raises `Conflict` where no run of the job can begin now."""
    if job.status not in _CLAIMABLE or job.command_id is not None:
        raise Conflict(f"The job is {job.status} already", detail=job.status.value)
    if job.cancel_requested_at is not None:
        raise Conflict("The job is to be cancelled", detail=JobStatus.CANCELLED.value)


def is_overdue(job: Job, now: datetime) -> bool:
    """Whether the job has waited for too long: a print must not begin that nobody may want any more."""
    return job.deadline_at is not None and job.deadline_at <= now


def _given(job: Job, command: Command, now: datetime) -> Job:
    """The job with one more run, which the command begins."""
    plate = command.metadata.get("plateIndex")
    run = Run(
        number=job.run + 1,
        status=JobStatus.QUEUED,
        plate_index=plate if isinstance(plate, int) else None,
        printer_id=command.printer_id,
        printer_serial=command.printer_serial,
        command_id=command.command_id,
        ordered_at=now,
    )
    return job.model_copy(
        update={
            **jobs.NOT_WAITING,
            "status": JobStatus.QUEUED,
            "recipient_id": command.recipient_id,
            "run": run.number,
            "runs": (*job.runs, run),
            "printer_id": command.printer_id,
            "printer_serial": command.printer_serial,
            "command_id": command.command_id,
            "queued_at": job.queued_at or now,
            "updated_at": now,
        }
    )


def _mirror(context: Context, job: Job) -> list[Write]:
    if job.file_id is None:
        return []
    newest = {"newestJobId": job.job_id, "status": file_status(JobStatus.QUEUED)}
    return [Update(jobs.file_path(context, job.file_id), newest)]


def _claim(context: Context, job: Job, claimed_by: str, now: datetime) -> Create:
    claim = Claim(job_id=job.job_id, run=job.run, claimed_by=claimed_by, claimed_at=now)
    return Create(f"{context.collections.claims}/{claim.job_id}_{claim.run}", claim.data())
