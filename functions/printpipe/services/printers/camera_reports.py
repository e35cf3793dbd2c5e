"""Reports that carry a camera's picture: the picture may be bad, the report counts all the same."""

from dataclasses import dataclass

from printpipe.domain.errors import DomainError
from printpipe.domain.log import log_failure
from printpipe.services.context import Context
from printpipe.services.printers import pictures, printers, status_reports
from printpipe.services.printers.status_reports import Report

_NOT_KEPT = "The picture could not be kept"


@dataclass(frozen=True)
class Shown:
    """A report that was taken; a link to its picture, or why there is none."""

    status_update_id: str
    url: str | None = None
    refusal: str | None = None


def report(context: Context, recipient_id: str, seen: Report, image: object) -> Shown:
    """Takes the report as `status_reports.report` does; then keeps its picture, in base64 or as a data URI."""
    taken = status_reports.report(context, recipient_id, seen)
    if image is None or image == "":
        return Shown(taken.status_update_id)
    if not isinstance(image, str):
        return Shown(taken.status_update_id, refusal="cameraImage: must be base64 or a data URI")
    try:
        printer = context.documents.get(printers.path(context, taken.printer_id)) if taken.printer_id else None
        at = seen.at or context.now()
        url = pictures.keep_camera_picture(context, context.recipient(recipient_id), printer, image, at)
    except DomainError as error:
        return Shown(taken.status_update_id, refusal=error.message)
    except Exception:
        log_failure("camera_picture_lost", recipientId=recipient_id, printerId=taken.printer_id)
        return Shown(taken.status_update_id, refusal=_NOT_KEPT)
    return Shown(taken.status_update_id, url)
