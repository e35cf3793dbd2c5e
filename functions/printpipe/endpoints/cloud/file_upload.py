"""POST /upload: takes in a print file, as multipart/form-data or from a URL in JSON."""

from typing import Any

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer, Form, validate
from printpipe.domain.errors import InvalidInput
from printpipe.domain.records import Plate
from printpipe.domain.values import Id, Name
from printpipe.endpoints.call import Call
from printpipe.services import uploads
from printpipe.services.files import FileTicket
from printpipe.services.uploads import Incoming, Purpose

_UNSTATED = "application/octet-stream"
"""What a part without a media type is."""


class Request(cloud.Model):
    """The body's fields; the file itself is a part of the form."""

    recipient_id: Id
    product_id: Name
    gcode_url: str | None = Field(None, max_length=2048)
    encrypted_data: str | None = None
    unencrypted_data: str | None = None


def handle(call: Call) -> Answer:
    """Stores the file with a held job of the same id, and answers with a token that fetches it once."""
    if call.request.media_type == "multipart/form-data":
        form = call.request.read_form()
        ticket = _from_form(call, validate(form.fields, Request), form)
    else:
        ticket = _from_url(call, call.request.json(Request))
    file = ticket.file
    return cloud.success(
        fileId=file.file_id,
        productId=file.product_id,
        recipientId=file.recipient_id,
        fetchToken=ticket.token,
        expiresAt=cloud.timestamp(ticket.expires_at),
        gcsBucket=file.gcs_bucket,
        gcsPath=file.gcs_path,
        jobId=file.file_id,
        size=file.size,
        sha256=file.sha256,
        plates=[_plate(plate) for plate in file.plates],
    )


def _from_form(call: Call, body: Request, form: Form) -> FileTicket:
    sent = form.files.get("file")
    if sent is None:
        return _from_url(call, body)
    if body.gcode_url:
        raise InvalidInput("Send either file or gcodeUrl, not both", field="gcodeUrl")
    return uploads.store(call.context, _purpose(body), Incoming(sent.name, sent.media_type or _UNSTATED, sent.content))


def _from_url(call: Call, body: Request) -> FileTicket:
    if not body.gcode_url:
        raise InvalidInput("Send a file, or a gcodeUrl", field="file")
    return uploads.store_from_url(call.context, _purpose(body), body.gcode_url)


def _purpose(body: Request) -> Purpose:
    return Purpose(body.recipient_id, body.product_id, body.encrypted_data, body.unencrypted_data)


def _plate(plate: Plate) -> dict[str, Any]:
    return {
        "index": plate.index,
        "estimatedSeconds": plate.estimated_seconds,
        "layers": plate.layers,
        "weightG": plate.weight_g,
        "filaments": [{"type": each.type, "color": each.color, "usedG": each.used_g} for each in plate.filament],
    }
