"""POST /api/apps/{appId}/functions/listRecipientFiles: what waits at a recipient, by the older name of the call."""

from printpipe.endpoints import cloud_waiting
from printpipe.endpoints.call import Call


def post(call: Call, path: cloud_waiting.Path, body: cloud_waiting.Request) -> cloud_waiting.Reply:
    """Lists what waits; the same answer as listPendingJobs."""
    return cloud_waiting.listing(call, body)
