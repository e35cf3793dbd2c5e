"""POST /control queues a printer command; GET /control lists what is pending, or hands it out to our agent."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.domain.commands import parse_order
from printpipe.domain.values import Id, Moment, Name, OptionalId, Payload
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services import commands, execution
from printpipe.services.commands import Target


class Request(cloud.Model):
    """The body of a POST."""

    recipient_id: Id
    command_type: Name
    printer_serial: OptionalId = None
    printer_ip_address: OptionalId = None
    printer_id: OptionalId = None
    metadata: Payload | None = None
    expires_at: Moment | None = None


class Arguments(cloud.Model):
    """The query of a GET; `claim` leases what is returned to `agentId`, `wait` is a long poll in seconds."""

    recipient_id: Id
    printer_serial: OptionalId = None
    limit: int = Field(commands.DEFAULT_LIMIT, ge=1, le=100)
    claim: bool = False
    wait: float = Field(0, ge=0, le=20)
    agent_id: Id | None = None


def handle(call: Call) -> Answer:
    """One function, two methods."""
    return _queue(call) if call.request.method == "POST" else _list(call)


def _queue(call: Call) -> Answer:
    body = call.request.json(Request)
    command = commands.queue(
        call.context,
        body.recipient_id,
        Target(body.printer_serial, body.printer_ip_address, body.printer_id),
        parse_order(body.command_type, body.metadata or {}),
        body.expires_at,
    )
    return cloud.success(
        commandId=command.command_id,
        status=cloud.command_status(command.status),
        createdAt=cloud.timestamp(command.created_at),
        expiresAt=cloud.timestamp(command.expires_at),
    )


def _list(call: Call) -> Answer:
    query = call.request.arguments(Arguments)
    if not query.claim:
        found = commands.pending(call.context, query.recipient_id, query.printer_serial, query.limit)
        return cloud.success(commands=[cloud_views.command(each) for each in found])
    call.context.require("commands.execute")
    holder = query.agent_id or query.recipient_id
    claimed = execution.claim_pending(
        call.context, query.recipient_id, query.printer_serial, holder, query.limit, query.wait
    )
    return cloud.success(commands=[cloud_views.claimed(each) for each in claimed])
