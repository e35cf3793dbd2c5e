"""POST /api/printer-events/report: something happened at a printer."""

from typing import ClassVar, Literal

from printpipe.domain.ids import Once
from printpipe.domain.values import Id, Moment, OptionalId, Payload, Text
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_events import StoredEvent
from printpipe.endpoints.cloud_printer_name import NamesPrinter
from printpipe.services import events
from printpipe.services.events import Happening


class Request(NamesPrinter):
    """The body. The printer is named by its serial or by its address; with an `eventId` the event may be sent again.

    `commandId` is the start command that began the print; without it, of a job's several runs the last is meant.
    """

    recipient_id: Id
    event_type: Id
    event_status: Literal["success", "failed", "warning", "info"]
    print_job_id: OptionalId = None
    command_id: OptionalId = None
    error_data: Payload | None = None
    status_data: Payload | None = None
    message: Text | None = None
    event_id: OptionalId = None
    occurred_at: Moment | None = None

    def own_key(self) -> str | None:
        """The client's own id of the event."""
        return self.event_id


class NewEvent(StoredEvent):
    """A new event."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> NewEvent | StoredEvent:
    """201 for a new event, 200 for one that is stored already."""
    seen = Happening(
        recipient_id=body.recipient_id,
        client_id=body.event_id,
        printer_serial=body.printer_serial,
        printer_ip_address=body.printer_ip_address,
        event_type=body.event_type,
        event_status=body.event_status,
        print_job_id=body.print_job_id,
        command_id=body.command_id,
        error_data=body.error_data,
        status_data=body.status_data,
        message=body.message,
        occurred_at=body.occurred_at,
    )
    event, is_new = events.report(call.context, seen, once)
    kind = NewEvent if is_new else StoredEvent
    return kind(
        event_id=event.event_id,
        created_at=event.created_at,
        event_type=event.event_type,
        print_job_id=event.print_job_id,
    )
