"""How prints end, as deployed clients report it: of a job of ours, or of one that was begun without us."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from printpipe.domain.errors import Conflict, InvalidInput, Unavailable
from printpipe.domain.ids import NO_KEY, Once, public_number, report_id
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.domain.log import log
from printpipe.domain.pictures import Picture
from printpipe.domain.ports.documents import Create, Document, DocumentChanged, DocumentExists
from printpipe.domain.records import Event, StoredPicture
from printpipe.domain.tenancy import Recipient
from printpipe.services import events
from printpipe.services.context import Context
from printpipe.services.events import Happening
from printpipe.services.jobs import jobs, steps
from printpipe.services.printers import pictures
from printpipe.services.store import queries, receipts

_AT_WORK = [JobStatus.PREPARING.value, JobStatus.PRINTING.value, JobStatus.PAUSED.value, JobStatus.UNKNOWN.value]
_WAITING = [JobStatus.QUEUED.value, JobStatus.CLAIMED.value]
_SAME_END = timedelta(minutes=5)
"""How far apart two clocks may put one end of a print."""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""A clock that says less was never set."""

_TRIES = 5


@dataclass(frozen=True)
class Completion:
    """The end of a print; the printer is named by its serial, or by its address at the site."""

    recipient_id: str
    product_name: str | None
    printer_serial: str | None
    printer_ip_address: str | None
    success: bool
    job_id: str | None
    print_seconds: float | None
    completed_at: datetime
    reason: str | None
    image: Picture | None

    @property
    def end(self) -> JobStatus:
        """What becomes of the job."""
        return JobStatus.COMPLETED if self.success else JobStatus.FAILED


def report(context: Context, told: Completion, once: Once) -> tuple[Job, Event]:
    """Ends the job that the report names, else the one that the printer was at; the job and the event of its end.

    A print that was begun without us is kept as an external job. The same report again, or the same end told another
    way, changes nothing. Raises `Conflict` for another end than the one that stands; it is kept as the job's
    `lateResult`.
    """
    recipient = context.recipient(told.recipient_id)
    if told.completed_at < _EARLIEST:
        raise InvalidInput("completedAt lies too far back", field="completedAt")
    image = _Image(context, told)
    for _ in range(_TRIES):
        try:
            ended = _end(context, recipient, told, once, image)
        except (DocumentChanged, DocumentExists):
            continue
        except Conflict:
            image.discard()
            raise
        return ended
    image.discard()
    raise Unavailable("The job is being changed by others", retry_after=1)


class _Image:
    """The report's picture, put into the bucket when it is first needed."""

    def __init__(self, context: Context, told: Completion) -> None:
        self._context, self._told = context, told
        self._stored: StoredPicture | None = None

    def stored(self) -> StoredPicture | None:
        """Where it lies; None where the report has none."""
        if self._stored is None and self._told.image is not None:
            taken_at = min(self._told.completed_at, self._context.now())
            self._stored = pictures.store(self._context, self._told.image, events.EVENT_PICTURE, taken_at)
        return self._stored

    def discard(self) -> None:
        """Removes it again."""
        pictures.discard(self._context, self._stored)
        self._stored = None


def _end(context: Context, recipient: Recipient, told: Completion, once: Once, image: _Image) -> tuple[Job, Event]:
    identity = _identity(recipient, told, "event")
    receipt = receipts.issue_once(context, recipient.organization_id, once, events.path(context, identity))
    document = _job(context, recipient, told, identity)
    if document is None:
        job = _external(context, recipient, told)
        step = steps.Step(jobs.creation(context, job), "job_external", {"printJobId": job.job_id})
    else:
        at, source = min(told.completed_at, context.now()), steps.Source(None, told.printer_serial)
        step = steps.conclusion(context, document, told.end, told.reason, at, source)
        job = Job.of(document)
        if step.writes:
            job = job.model_copy(update={"status": told.end})
        elif known := _known_event(context, recipient, job, told):
            image.discard()
            return job, _with_picture(context, known, told)
    event = _event(context, recipient, told, identity, job, image.stored())
    context.documents.commit(Create(events.path(context, identity), event.data()), *step.writes, *receipt)
    step.note()
    log("event_stored", eventId=identity, eventType=event.event_type, printJobId=job.job_id)
    return job, event


def _job(context: Context, recipient: Recipient, told: Completion, identity: str) -> Document | None:
    """The job that the report is about: by its id, by this same report, or by what the printer was at."""
    if told.job_id:
        named = jobs.find(context, recipient, told.job_id)
        if named is not None:
            return named
    earlier = context.documents.get(events.path(context, identity))
    if earlier is not None:
        return context.documents.get(jobs.path(context, earlier.data["printJobId"]))
    return _at_printer(context, recipient, told) if told.printer_serial else None


def _at_printer(context: Context, recipient: Recipient, told: Completion) -> Document | None:
    """What the printer was at, else what it ended just then, else what it was to print next, if that was there."""
    assert told.printer_serial is not None
    at = min(told.completed_at, context.now())
    since, until = at - _SAME_END, at + _SAME_END
    here = (context.collections, recipient.id, told.printer_serial)
    for query in (
        queries.newest_jobs_at_printer(*here, _AT_WORK, until, 1),
        queries.jobs_ended_at_printer(*here, since, until),
    ):
        if found := context.documents.query(query):
            return found[0]
    waiting = context.documents.query(queries.newest_jobs_at_printer(*here, _WAITING, until, 1))
    return next((each for each in waiting if _may_mean(told, Job.of(each))), None)


def _may_mean(told: Completion, job: Job) -> bool:
    """Whether a report may be about a job that is not known to have begun.

    Not if that print began before the job's start was ordered, nor if its client names another print.
    """
    if job.runs and job.runs[-1].ordered_at > told.completed_at - timedelta(seconds=told.print_seconds or 0):
        return False
    return told.job_id is None or told.product_name in (job.product_id, job.file_name)


def _external(context: Context, recipient: Recipient, told: Completion) -> Job:
    now = context.now()
    ended_at = min(told.completed_at, now)
    lasted = timedelta(seconds=told.print_seconds) if told.print_seconds is not None else None
    return Job(
        job_id=_identity(recipient, told, "job"),
        number=public_number(now),
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        file_name=told.product_name,
        status=told.end,
        printer_serial=told.printer_serial,
        reason=told.reason,
        created_at=now,
        started_at=ended_at - lasted if lasted is not None else None,
        ended_at=ended_at,
        updated_at=now,
        external=True,
        request_id=context.request_id,
        traceparent=context.traceparent,
    )


def _known_event(context: Context, recipient: Recipient, job: Job, told: Completion) -> Document | None:
    """The event of the job's end, whoever reported it."""
    query = queries.events_of_job(context.collections, recipient.id, job.job_id, _event_type(job, told))
    return next(iter(context.documents.query(query)), None)


def _with_picture(context: Context, document: Document, told: Completion) -> Event:
    event = Event.of(document)
    if told.image is None or event.image is not None:
        return event
    return events.attach_picture(context, document, told.image, NO_KEY)


def _event(
    context: Context, recipient: Recipient, told: Completion, identity: str, job: Job, image: StoredPicture | None
) -> Event:
    status = {
        "productName": told.product_name,
        "printTimeSeconds": told.print_seconds,
        "clientJobId": told.job_id if told.job_id != job.job_id else None,
    }
    seen = Happening(
        recipient_id=recipient.id,
        client_id=None,
        printer_serial=told.printer_serial,
        printer_ip_address=told.printer_ip_address,
        event_type=_event_type(job, told),
        event_status="success" if told.success else "failed",
        print_job_id=job.job_id,
        error_data=None,
        status_data={name: value for name, value in status.items() if value is not None},
        message=told.reason,
        occurred_at=told.completed_at,
    )
    event = events.draft(context, recipient, identity, seen)
    return event.model_copy(update={"image": image})


def _event_type(job: Job, told: Completion) -> str:
    """By the job's end; the run of one that goes on has its own."""
    return f"job_{told.end.value if JOBS[job.status] else job.status.value}"


def _identity(recipient: Recipient, told: Completion, kind: str) -> str:
    """Of the event and, where the print is not one of ours, of its job."""
    printer = told.printer_serial or told.printer_ip_address or ""
    return report_id(
        recipient.organization_id, recipient.id, kind, printer, told.completed_at.isoformat(), told.job_id or ""
    )
