"""POST /api/v1/files/{file_id}/upload: has a stored file copied to a printer."""

from typing import ClassVar, Literal

from printpipe.dialects import printernizer
from printpipe.domain.ids import Once
from printpipe.domain.values import Id
from printpipe.endpoints import printernizer_file_views
from printpipe.endpoints.call import Call
from printpipe.services.files import transfers


class Path(printernizer.Path):
    """The path's parameters."""

    file_id: Id


class Request(printernizer.Model):
    """The body."""

    printer_id: Id


class Reply(printernizer.Reply):
    """The upload, which is under way; seconds."""

    STATUS: ClassVar[int] = 202

    id: str
    status: Literal["uploading"] = "uploading"
    message: str
    upload_id: str
    command_id: str
    printer_id: str
    estimated_duration: int
    started_at: printernizer.Time


def post(call: Call, path: Path, body: Request, once: Once) -> Reply:
    """Begins it; what becomes of it shows in the file's last transfer."""
    transfer = transfers.start_send(call.context, path.file_id, body.printer_id, once)
    return Reply(
        id=path.file_id,
        message="Upload initiated",
        upload_id=transfer.transfer_id,
        command_id=str(transfer.command_id),
        printer_id=body.printer_id,
        estimated_duration=printernizer_file_views.duration(transfer.bytes_total),
        started_at=transfer.created_at,
    )
