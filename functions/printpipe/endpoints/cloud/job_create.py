"""POST /api/print-jobs: orders a print at a printer that the caller names."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.domain.values import Id, Name, OptionalId
from printpipe.endpoints.call import Call
from printpipe.services import files, prints
from printpipe.services.commands import Target
from printpipe.services.prints import Requisition


class JobMetadata(cloud.Model):
    """What the caller knows of the print."""

    gcode_url: str | None = Field(None, max_length=2048)
    file_id: Id | None = None
    plate_index: int | None = Field(None, ge=1, le=64)


class Request(cloud.Model):
    """The body. The file is `fileId`, else `gcodeUrl`, else the product's newest."""

    recipient_id: Id
    printer_serial: Id
    product_id: Name
    printer_ip_address: OptionalId = None
    gcode_url: str | None = Field(None, max_length=2048)
    file_id: Id | None = None
    job_metadata: JobMetadata | None = None


def handle(call: Call) -> Answer:
    """Queues the file's job and the command that starts it."""
    body = call.request.json(Request)
    known = body.job_metadata
    command, file = prints.create(
        call.context,
        Requisition(
            recipient_id=body.recipient_id,
            target=Target(body.printer_serial, body.printer_ip_address),
            product_id=body.product_id,
            file_id=body.file_id or (known.file_id if known else None),
            gcode_url=body.gcode_url or (known.gcode_url if known else None),
            plate_index=known.plate_index if known else None,
        ),
    )
    return cloud.success(
        jobId=command.job_id,
        productId=file.product_id,
        status="pending",
        files=[{"url": url, "type": kind} for url, kind in files.links(call.context, file)],
        fileId=file.file_id,
        commandId=command.command_id,
        createdAt=cloud.timestamp(command.created_at),
    )
