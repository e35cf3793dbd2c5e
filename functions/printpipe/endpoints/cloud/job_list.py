"""POST /api/apps/{appId}/functions/listPendingJobs: what waits at a recipient."""

from printpipe.dialects import cloud
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


class Reply(cloud.Reply):
    """Held files as pending, queued ones as skipped."""

    pending: list[cloud_views.WaitingFile]
    skipped: list[cloud_views.WaitingFile]


def post(call: Call, path: Path, body: Request) -> Reply:
    """Lists; nothing is written."""
    call.context.recipient(body.recipient_id)
    pending, skipped = cloud_views.waiting(files.waiting(call.context, body.recipient_id), with_tokens=True)
    return Reply(pending=pending, skipped=skipped)
