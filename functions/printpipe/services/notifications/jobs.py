"""What people are told of jobs, of commands for their printers, and of prints that were begun at a printer's screen.

A job's message tells of the job's own steps, once each; the printer's event of the same moment brings the picture.
"""

from collections.abc import Mapping
from datetime import timedelta

from printpipe.domain.job_records import Job, Run
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.messages import JobEvent
from printpipe.domain.notifications import Notice
from printpipe.domain.ports.documents import Document
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Event
from printpipe.services import events
from printpipe.services.context import Context
from printpipe.services.jobs import jobs
from printpipe.services.notifications import job_wording, planning
from printpipe.services.notifications.job_wording import NO_PICTURE, Picture
from printpipe.services.printers import printers
from printpipe.services.store import notification_queries
from printpipe.services.store.effects import Effect

_ENDS: Mapping[str, str] = {
    JobStatus.COMPLETED: "job_completed",
    JobStatus.FAILED: "job_failed",
    JobStatus.CANCELLED: "job_cancelled",
    JobStatus.PAUSED: "job_paused",
    JobStatus.UNKNOWN: "job_needs_attention",
}
"""As what a job's new state is told, whatever its former one was."""

_OF_PRINTERS = frozenset({"job_started", "job_completed", "job_failed", "job_cancelled", "job_paused", "job_resumed"})
"""Types of printers' events by the same names: they bring pictures, or tell of prints that are no jobs of ours."""

_SAME_MOMENT = timedelta(minutes=5)
"""How far apart a printer's event may be from the step of the job that it tells of."""

_MOST_EVENTS = 10


def tell(context: Context, message: JobEvent, effect: Effect) -> None:
    """Plans what there is to tell, and gives a picture to what waits for it."""
    match message.about:
        case "job":
            notice = _of_job(context, message)
        case "command":
            notice = _of_command(context, message)
        case "print":
            notice = _of_print(context, message)
    plan = planning.plan(context, notice) if notice is not None else planning.NOBODY
    if not plan.empty:
        context.documents.commit(*plan.writes, effect.note(context))
        plan.announce(context)


def _of_job(context: Context, message: JobEvent) -> Notice | None:
    job = _job(context, message)
    event_type = _step_told(message, job) if job is not None else None
    if job is None or event_type is None:
        return None
    is_placed = message.printer_id is not None or message.printer_serial is not None
    printer = _printer(context, message, message.printer_id if is_placed else job.wanted_printer_id)
    run = next((each for each in job.runs if each.number == message.run), None)
    has_printed = run is None or run.started_at is not None
    may_be_pictured = event_type in _OF_PRINTERS and has_printed
    picture = _picture(context, message, job, event_type, run, printer) if may_be_pictured else NO_PICTURE
    return job_wording.notice(
        message,
        event_type,
        job_wording.JOBS[event_type],
        printer,
        job,
        subject=_subject(job, message.run),
        picture=picture,
        details={"plate": run.plate_index} if run is not None and job.plates_requested > 1 else {},
    )


def _step_told(message: JobEvent, job: Job) -> str | None:
    """As what a step of the job is told; most are not."""
    status, former = message.status or "", message.former
    if message.kind not in ("job_created", f"job_{status}"):
        return None
    if status == JobStatus.PRINTING:
        if former == JobStatus.PAUSED:
            return "job_resumed"
        return None if former == JobStatus.UNKNOWN else "job_started"
    if status == former:
        return None
    if status == JobStatus.HELD:
        return "job_held" if former is not None and _came_back(message, job) else None
    return _ENDS.get(status)


def _came_back(message: JobEvent, job: Job) -> bool:
    """Whether a job that is held should have been begun by now; one with a plate done merely waits for its next."""
    if message.freed:
        return not any(run.number == message.run and run.status == JobStatus.COMPLETED for run in job.runs)
    return message.reason == jobs.TOO_LONG


def _picture(
    context: Context, message: JobEvent, job: Job, event_type: str, run: Run | None, printer: Printer | None
) -> Picture:
    """That of the printer's event of this step; it is expected where the job or the printer had pictures before."""
    query = notification_queries.newest_events_of_job(context.collections, job.recipient_id, job.job_id, _MOST_EVENTS)
    pictured = [event for event in map(Event.of, context.documents.query(query)) if event.image is not None]
    for event in pictured:
        is_of_run = run is None or event.command_id in (None, run.command_id)
        is_now = abs(event.created_at - message.occurred_at) <= _SAME_MOMENT
        if event.event_type == event_type and is_of_run and is_now and event.image is not None:
            return Picture(event.image.gcs_path)
    return Picture(expected=bool(pictured) or _has_camera(printer))


def _of_command(context: Context, message: JobEvent) -> Notice | None:
    words = job_wording.COMMANDS.get(message.status or "")
    order = job_wording.ORDERS.get(message.command_type or "")
    if words is None or order is None:
        return None
    printer = _printer(context, message, message.printer_id)
    details = {"command": message.command_type, "command_id": message.command_id, "command_status": message.status}
    job = _job(context, message)
    return job_wording.notice(message, "command_failed", words, printer, job, order=order, details=details)


def _of_print(context: Context, message: JobEvent) -> Notice | None:
    """Of a print that is no job of ours; of a job's the picture alone is of use."""
    document = context.documents.get(events.path(context, message.printer_event_id or "-"))
    event = Event.of(document) if document is not None and _is_own(document, message) else None
    if event is None or event.event_type not in _OF_PRINTERS:
        return None
    job = _stored_job(context, message)
    if job is not None:
        run = next((each.number for each in job.runs if each.command_id == event.command_id), job.run)
        _complete(context, event, _subject(job, run))
        return None
    subject = f"event:{event.event_id}"
    _complete(context, event, subject)
    printer = _printer(context, message, None)
    image_path = event.image.gcs_path if event.image is not None else None
    picture = Picture(image_path, expected=_has_camera(printer))
    words = job_wording.JOBS[event.event_type]
    notice = job_wording.notice(message, event.event_type, words, printer, None, subject=subject, picture=picture)
    return notice.model_copy(update={"event_id": event.event_id})  # its picture is told of once more


def _complete(context: Context, event: Event, subject: str) -> None:
    if event.image is not None:
        planning.complete(context, event.organization_id, subject, event.event_type, event.image.gcs_path)


def _job(context: Context, message: JobEvent) -> Job | None:
    """The organization's job that the message names, unless it was deleted."""
    job = _stored_job(context, message)
    return job if job is not None and job.deleted_at is None else None


def _stored_job(context: Context, message: JobEvent) -> Job | None:
    """Likewise, deleted or not; a printer may name what is no job of the organization's."""
    document = context.documents.get(jobs.path(context, message.job_id)) if message.job_id is not None else None
    return Job.of(document) if document is not None and _is_own(document, message) else None


def _printer(context: Context, message: JobEvent, printer_id: str | None) -> Printer | None:
    """The organization's printer of that id, or of the serial that the message names."""
    document: Document | None = None
    if printer_id is not None:
        document = context.documents.get(printers.path(context, printer_id))
    elif message.printer_serial is not None:
        found = printers.find(context, message.organization_id, [message.printer_serial])
        document = found[message.printer_serial].printer
    return Printer.of(document) if document is not None and _is_own(document, message) else None


def _is_own(document: Document, message: JobEvent) -> bool:
    return bool(document.data["organizationId"] == message.organization_id)


def _has_camera(printer: Printer | None) -> bool:
    return printer is not None and printer.picture is not None


def _subject(job: Job, run: int) -> str:
    return f"job:{job.job_id}:{run}"
