"""POST /control/ack: takes a command for execution, or renews that."""

from typing import Literal

from printpipe.dialects import cloud
from printpipe.domain.values import Id, OptionalId, Whole
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services.commands import claiming


class Request(cloud.Model):
    """The body; `fence` is the number of the lease that the client holds already."""

    command_id: Id
    recipient_id: Id
    printer_serial: OptionalId = None
    status: Literal["processing"] = "processing"
    agent_id: Id | None = None
    fence: Whole | None = None


class Reply(cloud.Reply, cloud_views.ClaimedCommand):
    """The command, with the lease under which it may be executed."""

    acknowledged_at: cloud.Time


def post(call: Call, body: Request) -> Reply:
    """One client gets the command, with a lease; every other is told why not."""
    holder = body.agent_id or body.recipient_id
    taken = claiming.claim(call.context, body.recipient_id, body.command_id, holder, body.fence)
    assert taken.command.acknowledged_at is not None
    shown = cloud_views.claimed(taken)
    return Reply(**dict(shown), acknowledged_at=taken.command.acknowledged_at)
