"""POST /api/apps/{appId}/functions/listPendingJobs: what waits at a recipient."""

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services import files


class Path(cloud.Model):
    """The path's parameters; the app gives no right."""

    app_id: Id


class Request(cloud.Model):
    """The body."""

    recipient_id: Id


def handle(call: Call) -> Answer:
    """Lists held files as pending and queued ones as skipped; nothing is written."""
    call.request.path(Path)
    body = call.request.json(Request)
    call.context.recipient(body.recipient_id)
    pending, skipped = cloud_views.waiting(files.waiting(call.context, body.recipient_id), with_tokens=True)
    return cloud.success(pending=pending, skipped=skipped)
