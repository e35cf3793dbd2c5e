"""POST /control queues a printer command; GET /control lists what is pending, or hands it out to our agent."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.commands import parse_order
from printpipe.domain.ids import Once
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.values import Id, Moment, Name, OptionalId, OptionalName, Payload
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services.commands import claiming, commands, polling
from printpipe.services.commands.commands import Target


class Request(cloud.Model):
    """The body of a POST."""

    recipient_id: Id
    command_type: Name
    printer_serial: OptionalId = None
    printer_ip_address: OptionalId = None
    printer_id: OptionalId = None
    metadata: Payload | None = None
    expires_at: Moment | None = None
    command_id: OptionalName = None
    request_id: OptionalName = None

    def own_key(self) -> str | None:
        """A caller's own number for the command makes its repetition harmless."""
        number = self.command_id or self.request_id
        return f"{self.recipient_id}/{number}" if number else None


class Arguments(cloud.Model):
    """The query of a GET; `claim` leases what is returned to `agentId`, `wait` is a long poll in seconds."""

    recipient_id: Id
    printer_serial: OptionalId = None
    limit: int = Field(commands.DEFAULT_LIMIT, ge=1, le=100)
    claim: bool = False
    wait: float = Field(0, ge=0, le=20)
    agent_id: Id | None = None


class Queued(cloud.Reply):
    """A command that was accepted."""

    command_id: str
    status: str
    created_at: cloud.Time
    expires_at: cloud.Time


class Listing(cloud.Reply):
    """What is pending; with `claim`, each under a lease."""

    commands: list[cloud_views.ClaimedCommand] | list[cloud_views.ListedCommand]


def post(call: Call, body: Request, once: Once) -> Queued:
    """Queues a command."""
    order = parse_order(body.command_type, body.metadata or {}, call.context.policy.extra_gcode)
    target = Target(body.printer_serial, body.printer_ip_address, body.printer_id)
    command = commands.queue(call.context, body.recipient_id, target, order, body.expires_at, once)
    return Queued(
        command_id=command.command_id,
        status=cloud.command_status(CommandStatus.PENDING),
        created_at=command.created_at,
        expires_at=command.expires_at,
    )


def get(call: Call, query: Arguments) -> Listing:
    """Lists what is pending, and changes nothing; `claim` hands it out."""
    if not query.claim:
        found = polling.pending(call.context, query.recipient_id, query.printer_serial, query.limit)
        return Listing(commands=[cloud_views.command(each) for each in found])
    call.context.require("commands.execute")
    holder = query.agent_id or query.recipient_id
    claimed = claiming.claim_pending(
        call.context, query.recipient_id, query.printer_serial, holder, query.limit, query.wait
    )
    return Listing(commands=[cloud_views.claimed(each) for each in claimed])
