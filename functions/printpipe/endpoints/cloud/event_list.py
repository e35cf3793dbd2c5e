"""GET /api/printer-events: what happened at a site, the newest first."""

from typing import Any

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.records import Event
from printpipe.domain.values import Id, QueryMoment
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_events import Hms
from printpipe.services import events
from printpipe.services.store.paging import Slice

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
"""Every picture's link is signed anew, which can cost a call to the signing service."""


class Arguments(cloud.Model):
    """The query; `since` counts when an event was stored, and `cursor` is the previous page's `nextCursor`."""

    recipient_id: Id
    type: Id | None = None
    since: QueryMoment | None = None
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(None, max_length=512)


class ListedEvent(cloud.Part):
    """One event, with a short-lived link to its picture where it has one."""

    event_id: str
    recipient_id: str
    printer_serial: str | None
    printer_ip_address: str | None
    event_type: str
    event_status: str
    print_job_id: str | None
    command_id: str | None
    error_data: dict[str, Any] | None
    hms: Hms | None
    status_data: dict[str, Any] | None
    message: str | None
    image_url: str | None
    occurred_at: cloud.Time
    created_at: cloud.Time


class Listing(cloud.Reply):
    """A page of events; `nextCursor` is null on the last."""

    events: list[ListedEvent]
    next_cursor: str | None


def get(call: Call, query: Arguments) -> Listing:
    """Lists a site's events."""
    wanted = Slice(query.limit, query.cursor)
    page = events.listed(call.context, query.recipient_id, query.type, query.since, wanted)
    urls = events.image_urls(call.context, page.items)
    shown = [_shown(event, url) for event, url in zip(page.items, urls, strict=True)]
    return Listing(events=shown, next_cursor=page.next_cursor)


def _shown(event: Event, image_url: str | None) -> ListedEvent:
    return ListedEvent(
        event_id=event.event_id,
        recipient_id=event.recipient_id,
        printer_serial=event.printer_serial,
        printer_ip_address=event.printer_ip_address,
        event_type=event.event_type,
        event_status=event.event_status,
        print_job_id=event.print_job_id,
        command_id=event.command_id,
        error_data=dict(event.error_data) if event.error_data is not None else None,
        hms=Hms.model_validate(event.hms) if event.hms is not None else None,
        status_data=dict(event.status_data) if event.status_data is not None else None,
        message=event.message,
        image_url=image_url,
        occurred_at=event.occurred_at,
        created_at=event.created_at,
    )
