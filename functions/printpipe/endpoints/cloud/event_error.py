"""POST /api/printer-events/error: an error report of the deployed client, stored as an event."""

from typing import Any, ClassVar

from printpipe.dialects import cloud
from printpipe.domain import hms
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import Once
from printpipe.domain.values import Moment, OptionalId, OptionalName, Payload, Text
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_events import IllustratedModel, IllustratedReply, StoredEvent
from printpipe.endpoints.cloud_printer_name import NamesPrinter
from printpipe.services import events
from printpipe.services.events import Happening


class Arguments(cloud.Model):
    """The query."""

    recipient_id: OptionalId = None


class Request(IllustratedModel, NamesPrinter):
    """The body. `recipientId` may stand in the query instead; the message has three names."""

    recipient_id: OptionalId = None
    error_type: Text | None = None
    error_code: Text | int | None = None
    error_message: Text | None = None
    message: Text | None = None
    error: Text | None = None
    error_data: Payload | None = None
    print_job_id: OptionalId = None
    timestamp: Moment | None = None
    event_id: OptionalName = None

    def own_key(self) -> str | None:
        """The client's own id of the report, where it has one."""
        return f"{self.recipient_id}/{self.event_id}" if self.event_id else None


class StoredError(StoredEvent, IllustratedReply):
    """An error report that is stored already."""


class NewError(StoredError):
    """A new error report."""

    STATUS: ClassVar[int] = 201


def post(call: Call, query: Arguments, body: Request, once: Once) -> NewError | StoredError:
    """201 for a new report, 200 for one that is stored already; a code of the HMS kind makes it an `hms_error`."""
    recipient_id = body.recipient_id or query.recipient_id
    if recipient_id is None:
        raise InvalidInput("recipientId: Field required, in the body or in the query", field="recipientId")
    told: dict[str, Any] = {"errorType": body.error_type, "errorCode": body.error_code}
    data = {**{name: value for name, value in told.items() if value is not None}, **(body.error_data or {})}
    picture, refusal = body.picture()
    seen = Happening(
        recipient_id=recipient_id,
        client_id=None,
        printer_serial=body.printer_serial,
        printer_ip_address=body.printer_ip_address,
        event_type=events.HMS_ERROR if hms.of_report(data) else "printer_error",
        event_status="failed",
        print_job_id=body.print_job_id,
        error_data=data or None,
        status_data=None,
        message=body.error_message or body.message or body.error,
        occurred_at=body.timestamp,
        image=picture,
    )
    event, is_new = events.report(call.context, seen, once)
    url = events.image_url(call.context, event)
    kind = NewError if is_new else StoredError
    return kind(
        event_id=event.event_id,
        created_at=event.created_at,
        event_type=event.event_type,
        print_job_id=event.print_job_id,
        image_uploaded=picture is not None,
        image_url=url,
        image_message=refusal,
    )
