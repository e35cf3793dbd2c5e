"""What waits at a recipient, as two calls of the cloud dialect list it."""

from printpipe.dialects import cloud
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services.files import tickets


class Path(cloud.Model):
    """The path's parameters; the app gives no right."""

    app_id: Id


class Request(cloud.Model):
    """The body."""

    recipient_id: Id


class Reply(cloud.Reply):
    """Held files as pending, queued ones as skipped."""

    pending: list[cloud_views.WaitingFile]
    skipped: list[cloud_views.WaitingFile]


def listing(call: Call, body: Request) -> Reply:
    """Lists; nothing is written. Tokens only for a key that may read files."""
    call.context.recipient(body.recipient_id)
    pending, skipped = cloud_views.waiting(call.context, tickets.waiting(call.context, body.recipient_id))
    return Reply(pending=pending, skipped=skipped)
