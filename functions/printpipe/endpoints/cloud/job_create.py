"""POST /api/print-jobs: orders a print at a printer that the caller names."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.values import Id, Name, OptionalId, PlateIndex
from printpipe.endpoints.call import Call
from printpipe.services.commands.commands import Target
from printpipe.services.files import files
from printpipe.services.jobs import prints
from printpipe.services.jobs.prints import Requisition


class JobMetadata(cloud.Model):
    """What the caller knows of the print."""

    gcode_url: str | None = Field(None, max_length=2048)
    file_id: Id | None = None
    plate_index: PlateIndex | None = None


class Request(cloud.Model):
    """The body. The file is `fileId`, else `gcodeUrl`, else the product's newest."""

    recipient_id: Id
    printer_serial: Id
    product_id: Name
    printer_ip_address: OptionalId = None
    gcode_url: str | None = Field(None, max_length=2048)
    file_id: Id | None = None
    job_metadata: JobMetadata | None = None


class Link(cloud.Part):
    """A short-lived link to a file of the job."""

    url: str
    type: str


class Reply(cloud.Reply):
    """The job, with the command that starts it."""

    job_id: str
    product_id: str
    status: str
    files: list[Link]
    file_id: str
    command_id: str
    created_at: cloud.Time


def post(call: Call, body: Request, once: Once) -> Reply:
    """Queues the file's job and the command that starts it."""
    known = body.job_metadata
    wish = Requisition(
        recipient_id=body.recipient_id,
        target=Target(body.printer_serial, body.printer_ip_address),
        product_id=body.product_id,
        file_id=body.file_id or (known.file_id if known else None),
        gcode_url=body.gcode_url or (known.gcode_url if known else None),
        plate_index=known.plate_index if known else None,
    )
    command, file = prints.create(call.context, wish, once)
    assert command.job_id is not None
    return Reply(
        job_id=command.job_id,
        product_id=file.product_id,
        status="pending",
        files=[Link(url=url, type=kind) for url, kind in files.links(call.context, file)],
        file_id=file.file_id,
        command_id=command.command_id,
        created_at=command.created_at,
    )
