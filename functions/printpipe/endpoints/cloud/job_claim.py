"""POST /api/apps/{appId}/functions/claimJob: gives a job to one client that prints it itself."""

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services import jobs


class Path(cloud.Model):
    """The path's parameters; the app gives no right."""

    app_id: Id


class Request(cloud.Model):
    """The body."""

    recipient_id: Id
    printer_id: Id
    job_id: Id


def handle(call: Call) -> Answer:
    """The first claim wins; every other is a conflict."""
    call.request.path(Path)
    body = call.request.json(Request)
    job = jobs.claim(call.context, body.recipient_id, body.job_id, body.printer_id)
    assert job.claimed_at is not None
    return cloud.success(
        jobId=job.job_id, status="claimed", claimedBy=job.claimed_by, claimedAt=cloud.timestamp(job.claimed_at)
    )
