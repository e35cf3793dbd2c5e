"""POST /api/printer-events/report: something happened at a printer."""

from typing import ClassVar, Literal

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.values import Id, Moment, OptionalId, Payload, Text
from printpipe.endpoints.call import Call
from printpipe.services import events
from printpipe.services.events import Happening


class Request(cloud.Model):
    """The body. A client that gives an `eventId` may send the event again."""

    recipient_id: Id
    printer_serial: Id
    printer_ip_address: OptionalId = None
    event_type: Id
    event_status: Literal["success", "failed", "warning", "info"]
    print_job_id: Id | None = None
    error_data: Payload | None = None
    status_data: Payload | None = None
    message: Text | None = None
    event_id: Id | None = None
    occurred_at: Moment | None = None


class Stored(cloud.Reply):
    """An event that is stored already."""

    event_id: str
    created_at: cloud.Time = Field(serialization_alias="created_at")
    event_type: str
    print_job_id: str | None


class New(Stored):
    """A new event."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request) -> New | Stored:
    """201 for a new event, 200 for one that is stored already."""
    event, is_new = events.report(
        call.context,
        Happening(
            recipient_id=body.recipient_id,
            client_id=body.event_id,
            printer_serial=body.printer_serial,
            printer_ip_address=body.printer_ip_address,
            event_type=body.event_type,
            event_status=body.event_status,
            print_job_id=body.print_job_id,
            error_data=body.error_data,
            status_data=body.status_data,
            message=body.message,
            occurred_at=body.occurred_at,
        ),
    )
    kind = New if is_new else Stored
    return kind(
        event_id=event.event_id,
        created_at=event.created_at,
        event_type=event.event_type,
        print_job_id=event.print_job_id,
    )
