"""POST /api/printer-status: a printer's live state, as a flat body."""

from printpipe.endpoints import cloud_status
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_status import FlatStatus, StatusReply


def post(call: Call, body: FlatStatus) -> StatusReply:
    """Stores the report unless a newer one is there."""
    return cloud_status.take(call, body.recipient_id, body.flat_report())
