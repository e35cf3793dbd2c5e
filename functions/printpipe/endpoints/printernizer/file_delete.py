"""DELETE /api/v1/files/{file_id}: removes our copy of a file; its printer keeps it."""

from typing import Literal

from printpipe.dialects import printernizer
from printpipe.dialects.printernizer import Time
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.files import removal


class Path(printernizer.Path):
    """The path's parameters."""

    file_id: Id


class Deleted(printernizer.Reply):
    """What is left: the printer's file, or nothing."""

    id: str
    message: str = "Local file deleted successfully"
    status: Literal["available", "deleted"]
    deleted_at: Time


def delete(call: Call, path: Path) -> Deleted:
    """409 while somebody is still to print it."""
    status: Literal["available", "deleted"] = "available" if removal.remove(call.context, path.file_id) else "deleted"
    return Deleted(id=path.file_id, status=status, deleted_at=call.context.now())
