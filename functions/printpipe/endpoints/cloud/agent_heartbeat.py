"""POST /api/heartbeat: a site's client says that it is there."""

from printpipe.dialects import cloud
from printpipe.domain.values import Id, Text
from printpipe.endpoints.call import Call
from printpipe.services.printers import heartbeats


class Request(cloud.Model):
    """The body; clients send it every 20 seconds."""

    recipient_id: Id
    client_version: Text | None = None


class Reply(cloud.Reply):
    """The cloud's clock, for clients whose own is wrong."""

    recipient_id: str
    server_time: cloud.Time


def post(call: Call, body: Request) -> Reply:
    """Notes the sign of life, once in two minutes."""
    heartbeats.beat(call.context, body.recipient_id, body.client_version or None)
    return Reply(recipient_id=body.recipient_id, server_time=call.context.now())
