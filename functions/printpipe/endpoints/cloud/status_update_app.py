"""POST /api/apps/{appId}/functions/updatePrinterStatus: a printer's live state, from an app."""

from printpipe.dialects import cloud
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_status
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_status import NestedStatus, StatusReply


class Path(cloud.Model):
    """The path's parameters; the app is recorded and gives no right."""

    app_id: Id


def post(call: Call, path: Path, body: NestedStatus) -> StatusReply:
    """Stores the report unless a newer one is there."""
    return cloud_status.take(call, body.recipient_id, body.report(body.status, body.timestamp, path.app_id))
