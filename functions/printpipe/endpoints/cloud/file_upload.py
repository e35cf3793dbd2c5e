"""POST /upload: takes in a print file, as multipart/form-data or from a URL in JSON."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.dialects.exchange import UploadedFile
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import Once
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


class Filament(cloud.Part):
    """One filament that a plate uses."""

    type: str | None
    color: str | None
    used_g: float | None


class PlateView(cloud.Part):
    """One printable plate; seconds and grams."""

    index: int
    estimated_seconds: int | None
    layers: int | None
    weight_g: float | None
    filaments: list[Filament]


class Reply(cloud.Reply):
    """The stored file, with a token that fetches it once."""

    file_id: str
    product_id: str
    recipient_id: str
    fetch_token: str
    expires_at: cloud.Time
    gcs_bucket: str
    gcs_path: str
    job_id: str
    size: int
    sha256: str
    plates: list[PlateView]


def post(call: Call, body: Request, once: Once, file: UploadedFile | None) -> Reply:
    """Stores the file with a held job of the same id."""
    return _reply(_store(call, body, once, file))


def _store(call: Call, body: Request, once: Once, file: UploadedFile | None) -> FileTicket:
    purpose = Purpose(body.recipient_id, body.product_id, body.encrypted_data, body.unencrypted_data)
    if file is not None and body.gcode_url:
        raise InvalidInput("Send either file or gcodeUrl, not both", field="gcodeUrl")
    if file is not None:
        incoming = Incoming(file.name, file.media_type or _UNSTATED, file.content)
        return uploads.store(call.context, purpose, incoming, once)
    if not body.gcode_url:
        raise InvalidInput("Send a file, or a gcodeUrl", field="file")
    return uploads.store_from_url(call.context, purpose, body.gcode_url, once)


def _reply(ticket: FileTicket) -> Reply:
    file = ticket.file
    return Reply(
        file_id=file.file_id,
        product_id=file.product_id,
        recipient_id=file.recipient_id,
        fetch_token=ticket.token,
        expires_at=ticket.expires_at,
        gcs_bucket=file.gcs_bucket,
        gcs_path=file.gcs_path,
        job_id=file.file_id,
        size=file.size,
        sha256=file.sha256,
        plates=[_plate(plate) for plate in file.plates],
    )


def _plate(plate: Plate) -> PlateView:
    return PlateView(
        index=plate.index,
        estimated_seconds=plate.estimated_seconds,
        layers=plate.layers,
        weight_g=plate.weight_g,
        filaments=[Filament(type=each.type, color=each.color, used_g=each.used_g) for each in plate.filament],
    )
