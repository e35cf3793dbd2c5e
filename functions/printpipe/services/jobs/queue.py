"""The queue of jobs that wait for a printer: who sends one there, and what becomes of one that waits in vain."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Job
from printpipe.domain.log import log, log_failure
from printpipe.domain.measures import measured
from printpipe.domain.ports.documents import Document, PreconditionFailed, Update, Write
from printpipe.services.context import Context
from printpipe.services.jobs import dispatch, jobs, starts, steps
from printpipe.services.printers import printers
from printpipe.services.store import audit, bookmarks, metrics_queries, queries, receipts

PATIENCE = timedelta(hours=12)
"""How long a job waits, unless its owner says otherwise: a print that starts much later starts unasked."""

LONGEST_PATIENCE = timedelta(days=7)

_TRIES = 5
_MOST_AT_ONCE = 200
_LONGEST = timedelta(seconds=40)
"""Of a sweep; the next one begins after a minute."""

_BOOKMARK = "queue-sweep"


def send(context: Context, job_id: str, printer_id: str | None, patience: timedelta | None, once: Once) -> Job:
    """Sends a held job to the queue, for one printer of the organization's or for whichever fits, and serves the queue.

    Sent again while it waits, it waits for that printer from then on. A repetition changes nothing. Raises `NotFound`
    for a job or a printer that is none of theirs, or `Conflict` where it is being printed, has ended, or has no file.
    """
    tenant = context.tenant
    for _ in range(_TRIES):
        if first := receipts.find(context, tenant, once):
            return Job.of(jobs.own(context, first.created.id))
        if printer_id is not None:
            printers.own(context, printer_id)
        document = jobs.own(context, job_id)
        job = Job.of(document)
        starts.check(job)
        if job.file_id is None:
            raise Conflict("The job has no file to print", field="id")
        wanted = {"wanted_printer_id": printer_id} if printer_id else {}
        said = int(patience.total_seconds()) if patience is not None else job.patience_seconds
        wait_seconds = said if said is not None else int(PATIENCE.total_seconds())
        sent = job.model_copy(update={**wanted, "wait_seconds": wait_seconds})
        changes = {**wanted, **jobs.queued(sent, context.now()), "wait_seconds": wait_seconds, "reason": None}
        sent = sent.model_copy(update=changes)
        writes: list[Write] = [Update(document.path, sent.fields(changes), document.version)]
        writes += [*steps.shown(context, sent), *receipts.issue(context, tenant, once, document.path)]
        writes.append(audit.entry(context, "job.sent", tenant, subject=job_id, recipient_id=job.recipient_id))
        try:
            context.documents.commit(*writes)
        except PreconditionFailed:
            continue  # somebody else changed the job; or this same call was faster
        log("job_sent", printJobId=job_id, wantedPrinterId=printer_id)
        dispatch.serve_if_possible(context, tenant)
        return Job.of(jobs.own(context, job_id))
    raise Unavailable("The job is being changed by others", retry_after=1)


def sweep(context: Context) -> None:
    """Looks after what nothing else reminds us of: jobs that wait too long, and printers that are free.

    What cannot be done keeps nothing else back. Bounded: what is left over is done the next time.
    """
    overdue = context.documents.query(queries.jobs_past_deadline(context.collections, context.now(), _MOST_AT_ONCE))
    for document in overdue:
        _undisturbed(partial(_give_back, context, document), printJobId=document.id)
    _serve_all(context)
    _undisturbed(partial(_measure, context))


def _serve_all(context: Context) -> None:
    """Serves every queue, from where the last sweep had to end."""
    until = context.now() + _LONGEST
    bookmark = bookmarks.read(context, _BOOKMARK)
    after = bookmark
    for organization_id in dispatch.organizations_waiting(context, bookmark):
        if context.now() >= until:
            break
        dispatch.serve_if_possible(context, organization_id)
        after = organization_id
    else:
        after = None
    bookmarks.move(context, _BOOKMARK, bookmark, after)


def _measure(context: Context) -> None:
    """Notes how long the oldest job has waited that is waiting still."""
    for document in context.documents.query(metrics_queries.longest_waiting(context.collections, None)):
        measured("queue_age", (context.now() - document.data["waitsSince"]).total_seconds())


def _undisturbed(work: Callable[[], object], **about: str) -> None:
    try:
        work()
    except Exception:
        log_failure("queue_sweep_failed", **about)


def _give_back(context: Context, document: Document) -> None:
    """Holds a job that waited for too long: whether it is still wanted only a person can tell."""
    job = Job.of(document)
    changes = {**jobs.held(), "reason": jobs.TOO_LONG, "updated_at": context.now()}
    after = job.model_copy(update=changes)
    try:
        context.documents.commit(
            Update(document.path, after.fields(changes), document.version), *steps.shown(context, after)
        )
    except PreconditionFailed:
        return  # it was begun or cancelled in this moment
    log("job_held", printJobId=job.job_id, why=jobs.TOO_LONG)
