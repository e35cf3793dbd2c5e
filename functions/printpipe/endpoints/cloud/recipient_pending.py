"""GET /recipients/{recipientId}/pending: what waits at a recipient; fetch tokens only for a key that may read files."""

from printpipe.dialects import cloud
from printpipe.domain.errors import NotFound
from printpipe.domain.tenancy import NOBODY
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services.files import tickets


class Path(cloud.Model):
    """The path's parameters."""

    recipient_id: Id


class Reply(cloud.Reply):
    """The same two lists under both pairs of names that clients read."""

    pending: list[cloud_views.WaitingFile]
    skipped: list[cloud_views.WaitingFile]
    pending_files: list[cloud_views.WaitingFile]
    skipped_files: list[cloud_views.WaitingFile]


def get(call: Call, path: Path) -> Reply:
    """Lists; without a key, or the scope `files.read`, every `fetchToken` is null."""
    if call.context.caller is not NOBODY:
        call.context.recipient(path.recipient_id)
    elif call.context.directory.recipient(path.recipient_id) is None:
        raise NotFound("No such recipient", field="recipientId")
    pending, skipped = cloud_views.waiting(call.context, tickets.waiting(call.context, path.recipient_id))
    return Reply(pending=pending, skipped=skipped, pending_files=pending, skipped_files=skipped)
