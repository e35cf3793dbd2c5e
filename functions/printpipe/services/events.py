"""What happened at a printer: stored once, with the camera's picture, and carried over to the job that it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from printpipe.domain import hms, pictures
from printpipe.domain.errors import Forbidden, NotFound, Unavailable
from printpipe.domain.ids import Once, event_id
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.log import log
from printpipe.domain.pictures import Picture
from printpipe.domain.ports.documents import Create, Document, DocumentChanged, DocumentExists, Update
from printpipe.domain.printer_status import cleaned
from printpipe.domain.records import Event
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.jobs import steps
from printpipe.services.printers import pictures as stored_pictures
from printpipe.services.store import abreast, paging, queries, receipts, repetition
from printpipe.services.store.paging import Page, Slice

HMS_ERROR = "hms_error"
EVENT_PICTURE = "event"
_DECODED = frozenset({HMS_ERROR, "hms_cleared"})
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
    """An event as a client reports it; `client_id` makes its repetition harmless, where the client gives one.

    `command_id` is the start command that began the print which the event is about, where the client tells it.
    """

    recipient_id: str
    client_id: str | None
    printer_serial: str | None
    printer_ip_address: str | None
    event_type: str
    event_status: str
    print_job_id: str | None
    error_data: Mapping[str, Any] | None
    status_data: Mapping[str, Any] | None
    message: str | None
    occurred_at: datetime | None
    image: Picture | None = None
    command_id: str | None = None


def report(context: Context, seen: Happening, once: Once) -> tuple[Event, bool]:
    """Stores an event, and takes its job to the state that it tells of, in one write.

    Returns the event and whether it is new; a repetition gives the first one and changes nothing. Raises `Conflict`
    where the event's id or the call's key was used for another event.
    """
    recipient = context.recipient(seen.recipient_id)
    identity = once.new_id(recipient.organization_id)
    if seen.client_id:
        identity = event_id(recipient.organization_id, recipient.id, seen.client_id)
    event = draft(context, recipient, identity, seen)
    mark = repetition.mark(context, recipient.organization_id, once, path(context, identity))
    if seen.image is not None:
        if first := _first(context, event, once):
            return first, False
        image = stored_pictures.store(context, seen.image, EVENT_PICTURE, event.occurred_at)
        event = event.model_copy(update={"image": image})
    for _ in range(_TRIES):
        step = _job_step(context, event)
        try:
            context.documents.commit(Create(path(context, identity), event.data()), *step.writes, *mark)
        except DocumentExists:
            stored_pictures.discard(context, event.image)
            return _first(context, event, once) or event, False
        except DocumentChanged:
            continue
        step.note()
        log("event_stored", eventId=identity, eventType=event.event_type, printJobId=event.print_job_id)
        return event, True
    stored_pictures.discard(context, event.image)
    raise Unavailable("The job is being changed by others", retry_after=1)


def draft(context: Context, recipient: Recipient, identity: str, seen: Happening) -> Event:
    """An event that is not stored yet, without what its data names a secret.

    An HMS error's code is put into words beside what the client said of it.
    """
    now = context.now()
    entry = hms.of_report(seen.error_data or {}) if seen.event_type in _DECODED else None
    return Event(
        event_id=identity,
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        printer_serial=seen.printer_serial,
        printer_ip_address=seen.printer_ip_address,
        event_type=seen.event_type,
        event_status=seen.event_status,
        print_job_id=seen.print_job_id,
        command_id=seen.command_id,
        error_data=cleaned(seen.error_data),
        hms=entry.data() if entry else None,
        status_data=cleaned(seen.status_data),
        message=seen.message,
        occurred_at=seen.occurred_at or now,
        created_at=now,
        request_id=context.request_id,
        traceparent=context.traceparent,
    )


def attach(context: Context, identity: str, content: BinaryIO, once: Once) -> Event:
    """Gives a stored event its picture; another one takes its place, the same one changes nothing.

    Raises `NotFound` where there is no such event of the caller's, `InvalidInput` or `TooLarge` for what is no
    picture, `Conflict` where the call's key was used for another picture.
    """
    document = _own(context, identity)
    picture = pictures.check(content.read(pictures.MAX_BYTES + 1), "image")
    once = once.also(stored_pictures.digest(picture))
    return attach_picture(context, document, picture, once)


def attach_picture(context: Context, document: Document, picture: Picture, once: Once) -> Event:
    """Gives an event a checked picture likewise."""
    stored = None
    for _ in range(_TRIES):
        event = Event.of(document)
        receipt = receipts.issue_once(context, event.organization_id, once, document.path)
        if event.image is not None and event.image.sha256 == stored_pictures.digest(picture):
            stored_pictures.discard(context, stored)
            return event
        stored = stored or stored_pictures.store(context, picture, EVENT_PICTURE, context.now())
        try:
            context.documents.commit(Update(document.path, {"image": stored.data()}, document.version), *receipt)
        except (DocumentChanged, DocumentExists):
            document = _own(context, event.event_id)
            continue
        stored_pictures.discard(context, event.image)
        log("event_picture_stored", eventId=event.event_id, size=stored.size)
        return event.model_copy(update={"image": stored})
    stored_pictures.discard(context, stored)
    raise Unavailable("The event is being changed by others", retry_after=1)


def listed(
    context: Context, recipient_id: str, event_type: str | None, since: datetime | None, wanted: Slice
) -> Page[Event]:
    """A site's events in the order in which they were stored, the newest first."""
    recipient = context.recipient(recipient_id)
    query = queries.events_of_recipient(
        context.collections, recipient.id, event_type, since, wanted.after, wanted.limit + 1
    )
    return paging.read(context.documents, query, wanted, Event.of)


def image_url(context: Context, event: Event) -> str | None:
    """A short-lived link to the event's picture, where it has one."""
    return stored_pictures.link(context, event.image) if event.image else None


def image_urls(context: Context, listed: Sequence[Event]) -> list[str | None]:
    """Such links of many events, in their order."""
    return abreast.each(lambda event: image_url(context, event), listed)


def path(context: Context, identity: str) -> str:
    """Where the event is stored."""
    return f"{context.collections.printer_events}/{identity}"


def _first(context: Context, event: Event, once: Once) -> Event | None:
    """What an earlier call stored under the event's id. Raises `Conflict` where that is something else."""
    document = repetition.find(context, path(context, event.event_id), once, lifetime=None)
    return Event.of(document) if document else None


def _own(context: Context, identity: str) -> Document:
    document = context.documents.get(path(context, identity))
    if document is None:
        raise NotFound("No such event", field="eventId")
    try:
        context.recipient(document.data["recipientId"])
    except (NotFound, Forbidden):
        raise NotFound("No such event", field="eventId") from None
    return document


def _job_step(context: Context, event: Event) -> steps.Step:
    to = _JOB_STEPS.get(event.event_type)
    if to is None or event.print_job_id is None:
        return steps.NO_STEP
    data = event.error_data or {}
    reason = event.message or data.get("reason") or data.get("description")
    reason = reason if isinstance(reason, str) else None
    source = steps.Source(event.command_id, event.printer_serial)
    return steps.follow(
        context,
        event.recipient_id,
        event.print_job_id,
        to,
        reason=reason,
        seen_at=min(event.occurred_at, event.created_at),
        source=source,
    )
