"""POST /printer-status: a printer's live state."""

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
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


def handle(call: Call) -> Answer:
    """Stores the report; `statusUpdateId` names the version of the state that stands now."""
    body = call.request.json(Request)
    if body.printer_serial is None and body.printer_ip_address is None:
        raise InvalidInput("Name the printer by printerSerial or printerIpAddress", field="printerSerial")
    at = body.timestamp or call.context.now()
    seen = printers.Report(body.recipient_id, body.printer_serial, body.printer_ip_address, body.status, at)
    update_id = printers.report(call.context, seen)
    return cloud.success(statusUpdateId=update_id, timestamp=cloud.timestamp(at))
