"""What happened at a printer: stored once, and carried over to the job that it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from printpipe.domain.errors import Unavailable
from printpipe.domain.ids import event_id, new_id
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, DocumentChanged, DocumentExists
from printpipe.domain.records import Event
from printpipe.services import jobs
from printpipe.services.context import Context

_JOB_STEPS: Mapping[str, JobStatus] = {
    "job_preparing": JobStatus.PREPARING,
    "job_started": JobStatus.PRINTING,
    "job_resumed": JobStatus.PRINTING,
    "job_paused": JobStatus.PAUSED,
    "job_completed": JobStatus.COMPLETED,
    "job_failed": JobStatus.FAILED,
    "job_cancelled": JobStatus.CANCELLED,
}
_TRIES = 5


@dataclass(frozen=True)
class Happening:
    """An event as a client reports it; `client_id` makes its repetition harmless, where the client gives one."""

    recipient_id: str
    client_id: str | None
    printer_serial: str
    printer_ip_address: str | None
    event_type: str
    event_status: str
    print_job_id: str | None
    error_data: Mapping[str, Any] | None
    status_data: Mapping[str, Any] | None
    message: str | None
    occurred_at: datetime | None


def report(context: Context, seen: Happening) -> tuple[Event, bool]:
    """Stores an event, and takes its job to the state that it tells of, in one write.

    Returns the event and whether it is new; a repetition gives the first one and changes nothing.
    """
    recipient = context.recipient(seen.recipient_id)
    now = context.now()
    identity = event_id(recipient.organization_id, recipient.id, seen.client_id) if seen.client_id else new_id()
    event = Event(
        event_id=identity,
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        printer_serial=seen.printer_serial,
        printer_ip_address=seen.printer_ip_address,
        event_type=seen.event_type,
        event_status=seen.event_status,
        print_job_id=seen.print_job_id,
        error_data=seen.error_data,
        status_data=seen.status_data,
        message=seen.message,
        occurred_at=seen.occurred_at or now,
        created_at=now,
        request_id=context.request_id,
    )
    path = f"{context.collections.printer_events}/{identity}"
    for _ in range(_TRIES):
        step = _job_step(context, event)
        try:
            context.documents.commit(Create(path, event.data()), *step.writes)
        except DocumentExists:
            stored = context.documents.get(path)
            return (Event.of(stored) if stored else event), False
        except DocumentChanged:
            continue
        step.note()
        log("event_stored", eventId=identity, eventType=event.event_type, printJobId=event.print_job_id)
        return event, True
    raise Unavailable("The job is being changed by others", retry_after=1)


def _job_step(context: Context, event: Event) -> jobs.Step:
    to = _JOB_STEPS.get(event.event_type)
    if to is None or event.print_job_id is None:
        return jobs.NO_STEP
    data = event.error_data or {}
    reason = event.message or data.get("reason") or data.get("description")
    reason = reason if isinstance(reason, str) else None
    return jobs.follow(context, event.recipient_id, event.print_job_id, to, reason=reason)
