"""GET /recipients/{recipientId}/pending: what waits at a recipient; fetch tokens only for a valid key."""

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.domain.errors import NotFound
from printpipe.domain.tenancy import NOBODY
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services import files


class Path(cloud.Model):
    """The path's parameters."""

    recipient_id: Id


def handle(call: Call) -> Answer:
    """Lists under both pairs of names that clients read; without a key every `fetchToken` is null."""
    recipient_id = call.request.path(Path).recipient_id
    keyed = call.context.caller is not NOBODY
    if keyed:
        call.context.recipient(recipient_id)
    elif call.context.directory.recipient(recipient_id) is None:
        raise NotFound("No such recipient", field="recipientId")
    pending, skipped = cloud_views.waiting(files.waiting(call.context, recipient_id), with_tokens=keyed)
    return cloud.success(pending=pending, skipped=skipped, pendingFiles=pending, skippedFiles=skipped)
