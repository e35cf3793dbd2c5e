"""POST /api/agent/files/{transferId}/progress: takes how far a transfer is, and that its file has arrived."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.transfers import TransferStatus
from printpipe.domain.values import Id, Md5, OptionalText, Sha256, Whole
from printpipe.endpoints.call import Call
from printpipe.services.files import transfers_progress
from printpipe.services.files.transfers import Worker
from printpipe.services.files.transfers_arrival import Sums
from printpipe.services.files.transfers_progress import Progress, State


class Path(cloud.Model):
    """The path's parameters."""

    transfer_id: Id


class Request(cloud.Model):
    """The body: the command that is carried out and its lease; bytes of this attempt.

    `done` needs `size` and `sha256`.
    """

    recipient_id: Id
    command_id: Id
    agent_id: Id
    fence: Whole
    attempt: int = Field(ge=1, le=1_000_000)
    bytes: int = Field(ge=0)
    total: int | None = Field(None, ge=0)
    state: State
    size: int | None = Field(None, ge=1)
    sha256: Sha256 | None = None
    md5: Md5 | None = None
    message: OptionalText = None


class Reply(cloud.Reply):
    """Where the transfer stands; `cancelled`: nobody wants it any more."""

    transfer_id: str
    status: TransferStatus
    cancelled: bool


def post(call: Call, path: Path, body: Request) -> Reply:
    """What an earlier report has overtaken changes nothing; `done` again is answered likewise."""
    worker = Worker(body.recipient_id, body.command_id, body.agent_id, body.fence)
    sums = Sums(body.size, body.sha256, body.md5) if body.size is not None and body.sha256 is not None else None
    told = Progress(body.attempt, body.bytes, body.total, body.state, sums, body.message)
    transfer = transfers_progress.take(call.context, path.transfer_id, worker, told)
    cancelled = transfer.status == TransferStatus.CANCELLED
    return Reply(transfer_id=transfer.transfer_id, status=transfer.status, cancelled=cancelled)
