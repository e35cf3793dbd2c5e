"""POST /control/ack: takes a command for execution, or renews that."""

from typing import Literal

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.domain.values import Id, OptionalId
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services import execution


class Request(cloud.Model):
    """The body; `fence` is the number of the lease that the client holds already."""

    command_id: Id
    recipient_id: Id
    printer_serial: OptionalId = None
    status: Literal["processing"] = "processing"
    agent_id: Id | None = None
    fence: int | None = None


def handle(call: Call) -> Answer:
    """One client gets the command, with a lease; every other is told why not."""
    body = call.request.json(Request)
    holder = body.agent_id or body.recipient_id
    claimed = execution.claim(call.context, body.recipient_id, body.command_id, holder, body.fence)
    assert claimed.command.acknowledged_at is not None
    return cloud.success(
        **cloud_views.claimed(claimed), acknowledgedAt=cloud.timestamp(claimed.command.acknowledged_at)
    )
