"""POST /api/agent/files/{transferId}/url: tells the agent where to put a file that it has copied from a printer."""

from typing import Literal

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.values import Id, Md5, Name, Sha256, Whole
from printpipe.endpoints.call import Call
from printpipe.services.files import transfers_arrival
from printpipe.services.files.transfers import Worker
from printpipe.services.files.transfers_arrival import Sums


class Path(cloud.Model):
    """The path's parameters."""

    transfer_id: Id


class Request(cloud.Model):
    """The body: the command that is carried out and its lease, and what is to come."""

    recipient_id: Id
    command_id: Id
    agent_id: Id
    fence: Whole
    size: int = Field(ge=1)
    sha256: Sha256
    md5: Md5 | None = None
    content_type: Name | None = None


class Reply(cloud.Reply):
    """A URL for exactly that many bytes."""

    upload_url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_at: cloud.Time


def post(call: Call, path: Path, body: Request) -> Reply:
    """Each call gives a fresh URL, and takes the place of what was put to an earlier one."""
    worker = Worker(body.recipient_id, body.command_id, body.agent_id, body.fence)
    announced = Sums(body.size, body.sha256, body.md5)
    opening = transfers_arrival.open_way(call.context, path.transfer_id, worker, announced)
    headers = {"Content-Type": opening.content_type}
    return Reply(upload_url=opening.url, headers=headers, expires_at=opening.expires_at)
