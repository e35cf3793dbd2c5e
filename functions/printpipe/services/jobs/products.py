"""Products, as legacy clients speak of what they print: a handshake before the fetch, and how the print goes."""

from dataclasses import dataclass

from printpipe.domain.errors import Conflict, NotFound, Unauthenticated, Unavailable
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, JobStatus
from printpipe.domain.ports.documents import DocumentChanged
from printpipe.domain.tenancy import NOBODY, Recipient
from printpipe.services.context import Context
from printpipe.services.files import tickets
from printpipe.services.files.files import FileTicket
from printpipe.services.jobs import jobs, starts, steps
from printpipe.services.store import queries

_TRIES = 3
_OPEN = [status.value for status, steps in JOBS.items() if steps]


@dataclass(frozen=True)
class Progress:
    """What a client says of a print; None and False where it says nothing of the kind."""

    success: bool | None
    started: bool
    completed: bool
    error: str | None


def shake_hands(context: Context, recipient_id: str, product_id: str, job_id: str | None) -> FileTicket | None:
    """The job's file, else the product's newest, with a fresh token; every earlier token of it is used up.

    A client that names a job which was begun fetches for that one: its token takes no other job of the file. None where
    there is no file. Raises `Unauthenticated` where a caller without a key gets no answer.
    """
    recipient = _recipient(context, recipient_id)
    job = _job(context, recipient, job_id)
    file_id = job.file_id if job else None
    if file_id is None:
        query = queries.newest_files_of_product(context.collections, recipient.id, product_id, 1)
        file_id = next((each.id for each in context.documents.query(query)), None)
    return tickets.renew(context, file_id, takes_job=job is None or _is_to_begin(job)) if file_id else None


def report(context: Context, recipient_id: str, product_id: str, job_id: str | None, progress: Progress) -> JobStatus:
    """Takes what a client says of the job, else of the product's newest open job; where that stands then.

    A failure outweighs whatever else is said, but a failed fetch says nothing of a print that has begun. Where no job
    is open the newest one's state is the answer, so that a repetition does no harm. Raises `NotFound` where the product
    has no job, `Conflict` for an end that contradicts the one that stands, `Unauthenticated` where a caller without a
    key gets no answer.
    """
    recipient = _recipient(context, recipient_id)
    job = _job(context, recipient, job_id) or _job_of_product(context, recipient, product_id)
    at_printer = job.status in AT_THE_PRINTER and not (progress.started or progress.completed)
    if progress.success is False and not at_printer:
        return steps.conclude(context, recipient, job.job_id, JobStatus.FAILED, progress.error).status
    if progress.completed:
        return steps.conclude(context, recipient, job.job_id, JobStatus.COMPLETED, None).status
    return _started(context, recipient, job) if progress.started else job.status


def _recipient(context: Context, recipient_id: str) -> Recipient:
    """The caller's recipient. Without a key: one of a deployed LAN client, where the deployment still allows that."""
    if context.caller is not NOBODY:
        return context.recipient(recipient_id)
    allowed = context.policy.allow_keyless_legacy_clients
    recipient = context.directory.recipient(recipient_id) if allowed else None
    if recipient is None or recipient.has_agent:
        raise Unauthenticated("An API key is needed, in X-API-Key")
    return recipient


def _job(context: Context, recipient: Recipient, job_id: str | None) -> Job | None:
    """The job that the client names, where it names one of ours."""
    document = jobs.find(context, recipient, job_id) if job_id else None
    return Job.of(document) if document else None


def _is_to_begin(job: Job) -> bool:
    try:
        starts.check(job)
    except Conflict:
        return False
    return True


def _job_of_product(context: Context, recipient: Recipient, product_id: str) -> Job:
    """The newest that is at a printer, else that is to be, else that waits, else that has ended."""
    found = _newest(context, recipient, product_id, _OPEN, 10) or _newest(context, recipient, product_id, None, 1)
    if not found:
        raise NotFound("The product has no job", field="productId")
    return min(found, key=_nearness)


def _newest(
    context: Context, recipient: Recipient, product_id: str, statuses: list[str] | None, limit: int
) -> list[Job]:
    query = queries.newest_jobs_of_product(context.collections, recipient.id, product_id, statuses, limit)
    return [Job.of(each) for each in context.documents.query(query)]


def _nearness(job: Job) -> int:
    if job.status in (JobStatus.HELD, JobStatus.QUEUED, JobStatus.CLAIMED):
        return 2 if job.status == JobStatus.HELD else 1
    return 0


def _started(context: Context, recipient: Recipient, job: Job) -> JobStatus:
    """A paused job stays paused, an ended one ended: clients say again and again that a print has started."""
    for _ in range(_TRIES):
        step = steps.follow(context, recipient.id, job.job_id, JobStatus.PRINTING, unless=steps.AT_WORK)
        if not step.writes:
            return Job.of(jobs.get(context, recipient, job.job_id)).status
        try:
            context.documents.commit(*step.writes)
        except DocumentChanged:
            continue
        step.note()
        return JobStatus.PRINTING
    raise Unavailable("The job is being changed by others", retry_after=1)
