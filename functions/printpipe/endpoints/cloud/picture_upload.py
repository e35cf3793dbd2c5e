"""POST /api/printer-images/upload: a printer's newest picture, from the deployed client."""

from printpipe.dialects import cloud
from printpipe.domain import pictures
from printpipe.domain.ids import Once
from printpipe.domain.values import Id, Moment, OptionalName
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_events import PictureModel
from printpipe.endpoints.cloud_printer_name import NamesPrinter
from printpipe.services.printers import pictures as stored_pictures
from printpipe.services.printers.pictures import Shot


class Request(PictureModel, NamesPrinter):
    """The body; `imageData` is a JPEG, in base64 or as a data URI."""

    recipient_id: Id
    image_type: OptionalName = None
    image_data: str
    timestamp: Moment | None = None


class Reply(cloud.Reply):
    """`imageUrl` is a short-lived link to the printer's newest picture, and `newest` whether that is this one."""

    image_uploaded: bool
    image_url: str
    newest: bool


def post(call: Call, body: Request, once: Once) -> Reply:
    """Keeps the picture unless the printer has a newer one."""
    shot = Shot(
        recipient_id=body.recipient_id,
        serial=body.printer_serial,
        ip_address=body.printer_ip_address,
        picture=pictures.decode(body.image_data, "imageData"),
        kind=body.image_type or stored_pictures.SNAPSHOT,
        taken_at=body.timestamp or call.context.now(),
    )
    newest, url = stored_pictures.receive(call.context, shot, once)
    return Reply(image_uploaded=True, image_url=url, newest=newest)
