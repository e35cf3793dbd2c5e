"""POST /printer-status: a printer's live state."""

from printpipe.endpoints import cloud_status
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_status import NestedStatus, StatusReply


def post(call: Call, body: NestedStatus) -> StatusReply:
    """Stores the report unless a newer one is there."""
    return cloud_status.take(call, body.recipient_id, body.report(body.status, body.timestamp))
