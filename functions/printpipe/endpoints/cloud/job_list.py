"""POST /api/apps/{appId}/functions/listPendingJobs: what waits at a recipient."""

from printpipe.endpoints import cloud_waiting
from printpipe.endpoints.call import Call


def post(call: Call, path: cloud_waiting.Path, body: cloud_waiting.Request) -> cloud_waiting.Reply:
    """Lists held files as pending, queued ones as skipped."""
    return cloud_waiting.listing(call, body)
