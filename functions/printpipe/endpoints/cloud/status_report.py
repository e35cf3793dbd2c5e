"""POST /printer-status: a printer's live state."""

from printpipe.dialects import cloud
from printpipe.domain.errors import InvalidInput
from printpipe.domain.values import Id, Moment, OptionalId, Payload
from printpipe.endpoints.call import Call
from printpipe.services import printers


class Request(cloud.Model):
    """The body; the printer is named by its serial, or by its address at the site."""

    recipient_id: Id
    printer_serial: OptionalId = None
    printer_ip_address: OptionalId = None
    status: Payload
    timestamp: Moment | None = None


class Reply(cloud.Reply):
    """`statusUpdateId` names the version of the state that stands now."""

    status_update_id: str
    timestamp: cloud.Time


def post(call: Call, body: Request) -> Reply:
    """Stores the report unless a newer one is there."""
    if body.printer_serial is None and body.printer_ip_address is None:
        raise InvalidInput("Name the printer by printerSerial or printerIpAddress", field="printerSerial")
    at = body.timestamp or call.context.now()
    seen = printers.Report(body.recipient_id, body.printer_serial, body.printer_ip_address, body.status, at)
    return Reply(status_update_id=printers.report(call.context, seen), timestamp=at)
