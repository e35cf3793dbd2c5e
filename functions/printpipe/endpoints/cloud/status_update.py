"""POST /api/printer-status/update: a printer's live state, flat or nested, with its camera's picture."""

from typing import Annotated, Any, ClassVar

from pydantic import WithJsonSchema

from printpipe.domain import pictures
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_status import FlatStatus, StatusReply
from printpipe.services.printers import camera_reports


class Request(FlatStatus):
    """The body. Whatever `cameraImage` holds, the report itself is taken."""

    MAX_BYTES: ClassVar[int] = pictures.MAX_BASE64 + 2 * 1024 * 1024

    camera_image: Annotated[
        Any, WithJsonSchema({"description": "a JPEG of at most 10 MiB, in base64 or as a data URI"})
    ] = None


class Reply(StatusReply):
    """Where a picture came: whether it is kept, a short-lived link to it, or else why not."""

    image_uploaded: bool
    image_url: str | None
    image_message: str | None


def post(call: Call, body: Request) -> Reply:
    """Stores the report unless a newer one is there, and keeps the picture."""
    seen = body.flat_report()
    shown = camera_reports.report(call.context, body.recipient_id, seen, body.camera_image)
    return Reply(
        status_update_id=shown.status_update_id,
        timestamp=seen.at or call.context.now(),
        image_uploaded=shown.url is not None,
        image_url=shown.url,
        image_message=shown.refusal,
    )
