"""POST /api/apps/{appId}/functions/claimJob: gives a job to one client that prints it itself."""

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.jobs import starts


class Path(cloud.Model):
    """The path's parameters; the app is recorded and gives no right."""

    app_id: Id


class Request(cloud.Model):
    """The body."""

    recipient_id: Id
    printer_id: Id
    job_id: Id


class Reply(cloud.Reply):
    """The claim."""

    job_id: str
    status: str
    claimed_by: str
    claimed_at: cloud.Time


def post(call: Call, path: Path, body: Request, once: Once) -> Reply:
    """The first claim wins; every other is a conflict."""
    job = starts.claim(call.context, body.recipient_id, body.job_id, body.printer_id, path.app_id, once)
    assert job.claimed_by is not None
    assert job.claimed_at is not None
    return Reply(job_id=job.job_id, status="claimed", claimed_by=job.claimed_by, claimed_at=job.claimed_at)
