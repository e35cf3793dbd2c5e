"""Print jobs: how they are found, and what their records say while they wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from printpipe.domain.errors import NotFound
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ids import new_id, public_number
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, JobStatus, Priority
from printpipe.domain.ports.documents import Create, Document
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.store import queries

_DOUBTFUL = frozenset({JobStatus.HELD, JobStatus.QUEUED, JobStatus.FAILED})


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


def by_number(context: Context, number: int) -> Document:
    """The job of the caller's organization with that public number. Raises `NotFound`."""
    job_id = find_number(context, number)
    if job_id is None:
        raise NotFound("No such job", field="id")
    return own(context, job_id)


def find_number(context: Context, number: int) -> str | None:
    """The id of the job with that public number, in any organization."""
    alias = context.documents.get(_alias_path(context, f"number_{number}"))
    return str(alias.data["jobId"]) if alias is not None else None


def creation(context: Context, job: Job) -> list[Create]:
    """The writes that store a new job, under its id and its number, of which nobody else can have either."""
    alias = {"jobId": job.job_id, "organizationId": job.organization_id}
    return [Create(path(context, job.job_id), job.data()), Create(_alias_path(context, f"number_{job.number}"), alias)]


def aliases(context: Context, job: Job) -> list[str]:
    """Where the job's other names are stored."""
    names = [f"number_{job.number}"]
    if job.shop is not None:
        names.append(f"{job.organization_id}_queue_{job.shop.print_queue_id}")
    return [_alias_path(context, name) for name in names]


def queue_alias(context: Context, job: Job, print_queue_id: int) -> Create:
    """The write that puts a new job under the number that its organization has for it itself."""
    fields = {"jobId": job.job_id, "organizationId": job.organization_id}
    return Create(_alias_path(context, f"{job.organization_id}_queue_{print_queue_id}"), fields)


def by_queue_id(context: Context, organization_id: str, print_queue_id: int) -> str | None:
    """The id of the organization's job that it has given this number of its own."""
    alias = context.documents.get(_alias_path(context, f"{organization_id}_queue_{print_queue_id}"))
    return str(alias.data["jobId"]) if alias is not None else None


def _alias_path(context: Context, name: str) -> str:
    """Where a job's other name is stored; that an organization's id holds no `_` keeps tenants apart."""
    return f"{context.collections.job_aliases}/{name}"


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
        number=public_number(now),
        organization_id=file.organization_id,
        recipient_id=file.recipient_id,
        product_id=file.product_id,
        file_id=file.file_id,
        file_name=file.file_name,
        status=JobStatus.HELD,
        created_at=now,
        updated_at=now,
        request_id=context.request_id,
        traceparent=context.traceparent,
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


def file_path(context: Context, file_id: str) -> str:
    """Where a job's file is stored."""
    return f"{context.collections.files}/{file_id}"
