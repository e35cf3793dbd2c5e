"""POST /api/v1/files/{file_id}/download: has a file copied from its printer into the cloud."""

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


class Reply(printernizer.Reply):
    """The download, which is under way; seconds."""

    STATUS: ClassVar[int] = 202

    id: str
    status: Literal["downloading"] = "downloading"
    message: str
    download_id: str
    estimated_duration: int
    started_at: printernizer.Time


def post(call: Call, path: Path, once: Once) -> Reply:
    """Begins a download, or tells of the one that is under way."""
    transfer = transfers.start_fetch(call.context, path.file_id, once)
    return Reply(
        id=path.file_id,
        message="Download initiated",
        download_id=transfer.transfer_id,
        estimated_duration=printernizer_file_views.duration(transfer.bytes_total),
        started_at=transfer.created_at,
    )
