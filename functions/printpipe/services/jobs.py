"""Print jobs: their steps, and the one claim that a run of a job can have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from printpipe.domain.commands import Start
from printpipe.domain.errors import Conflict, NotFound
from printpipe.domain.ids import new_id
from printpipe.domain.lifecycles import JOBS, JobStatus, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Document, DocumentChanged, DocumentExists, Update, Version, Write
from printpipe.domain.records import Claim, Command, Job, StoredPrintFile
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context

_CLAIMABLE = frozenset({JobStatus.HELD, JobStatus.QUEUED})
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
    document = context.documents.get(path(context, job_id))
    if document is None or document.data["recipientId"] != recipient.id:
        raise NotFound("No such job", field="jobId")
    return document


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

    Raises `NotFound` for a `jobId` or `fileId` of ours that is not there. A `printJobId` in the client's own note
    may be the client's own number, so one that is not ours is no error.
    """
    if start.job_id:
        return _stored(context, recipient, start.job_id)
    if start.file_id:
        return of_file(context, recipient, start.file_id)[0]
    noted = start.note.job_id if start.note else None
    if noted is None:
        return None
    try:
        return _stored(context, recipient, noted)
    except NotFound:
        return None


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


def start_writes(context: Context, job: Startable, command: Command) -> list[Write]:
    """The writes that give the job's next run to a printer. Raises `Conflict` where it cannot be started."""
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
    if job.version is None:
        stored: Write = Create(target, queued.data())
    else:
        stored = Update(target, queued.data(), job.version)
    return [stored, _claim(context, claim), *_mirror(context, queued, JobStatus.QUEUED, {})]


def claim(context: Context, recipient_id: str, job_id: str, claimed_by: str) -> Job:
    """Gives a job to a client that prints it itself. Raises `Conflict` for everyone but the first."""
    recipient = context.recipient(recipient_id)
    document = get(context, recipient, job_id)
    job, writes = claim_writes(context, document, claimed_by)
    commit_claim(context, writes)
    log("job_claimed", printJobId=job_id, claimedBy=claimed_by)
    return job


def claim_writes(context: Context, document: Document, claimed_by: str) -> tuple[Job, list[Write]]:
    """The job as claimed, and the writes that make it so. Raises `Conflict` where its state does not allow it."""
    job = Job.of(document)
    _check_claimable(job)
    now, run = context.now(), job.run + 1
    changes = {
        "status": JobStatus.CLAIMED.value,
        "run": run,
        "claimedBy": claimed_by,
        "claimedAt": now,
        "updatedAt": now,
    }
    note = {"claimedBy": claimed_by, "claimedAt": now}
    taken = job.model_copy(
        update={"status": JobStatus.CLAIMED, "run": run, "claimed_by": claimed_by, "claimed_at": now}
    )
    return taken, [
        _claim(context, Claim(job_id=job.job_id, run=run, claimed_by=claimed_by, claimed_at=now)),
        Update(document.path, changes, document.version),
        *_mirror(context, taken, JobStatus.CLAIMED, note),
    ]


def commit_claim(context: Context, writes: Sequence[Write]) -> None:
    """Writes a claim with all that goes with it. Raises `Conflict` for the one who comes second."""
    try:
        context.documents.commit(*writes)
    except (DocumentExists, DocumentChanged):
        raise Conflict("The job has been claimed already", detail="claimed") from None


def follow(
    context: Context,
    recipient_id: str,
    job_id: str | None,
    to: JobStatus,
    *,
    unless: frozenset[JobStatus] = frozenset(),
    claimed_by: str | None = None,
    reason: str | None = None,
) -> list[Write]:
    """The writes that take a recipient's job to a state that was reported; none where it cannot go there."""
    document = context.documents.get(path(context, job_id)) if job_id else None
    if document is None or document.data["recipientId"] != recipient_id:
        return []
    job = Job.of(document)
    if to not in JOBS[job.status] or job.status in unless:
        return []
    now = context.now()
    changes: dict[str, Any] = {"status": to.value, "updatedAt": now}
    note: dict[str, Any] = {}
    if to == JobStatus.CLAIMED:
        changes |= {"claimedBy": claimed_by, "claimedAt": now}
        note = {"claimedBy": claimed_by, "claimedAt": now}
    if to == JobStatus.PRINTING and job.started_at is None:
        changes["startedAt"] = now
    if not JOBS[to]:
        changes["endedAt"] = now
    if reason is not None:
        changes["reason"] = reason
    log(f"job_{to.value}", printJobId=job_id, was=job.status.value, why=reason)
    return [Update(document.path, changes, document.version), *_mirror(context, job, to, note)]


def _check_claimable(job: Job) -> None:
    if job.run > 0 or job.status not in _CLAIMABLE:
        raise Conflict(f"The job is {job.status} already", detail=job.status.value)


def _stored(context: Context, recipient: Recipient, job_id: str) -> Startable:
    document = get(context, recipient, job_id)
    return Startable(Job.of(document), document.version)


def _claim(context: Context, claim: Claim) -> Create:
    return Create(f"{context.collections.claims}/{claim.job_id}_{claim.run}", claim.data())


def _mirror(context: Context, job: Job, status: JobStatus, note: Mapping[str, Any]) -> list[Write]:
    if job.file_id is None:
        return []
    return [Update(f"{context.collections.files}/{job.file_id}", {"status": file_status(status), **note})]
