"""PUT /api/printer-commands/{id}/status: takes a command for execution, or reports its result."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.values import Id, OptionalId, Text, Whole
from printpipe.endpoints import print_views, printpro_command_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_command_views import CommandView
from printpipe.endpoints.result_text import AnyResult, result_text
from printpipe.services.commands import claiming, command_log
from printpipe.services.commands.execution import Result

_ENDS: Mapping[str, CommandStatus] = {
    "completed": CommandStatus.COMPLETED,
    "failed": CommandStatus.FAILED,
    "error": CommandStatus.FAILED,
    "unknown": CommandStatus.UNKNOWN,
}


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Request(printpro.Model):
    """The body: `processing`, `executing` and `in_progress` take the command, the other states are results."""

    status: Literal["processing", "executing", "in_progress", "completed", "failed", "error", "unknown"]
    result: AnyResult | None = Field(None, description="what is kept as `message`, where none is given")
    message: Text | None = None
    error_message: Text | None = None
    agent_id: OptionalId = Field(None, description="tells agents of one user apart")
    fence: Whole | None = Field(None, description="the number of the lease that the agent holds already")


class Standing(CommandView):
    """The command as it stands; where it was taken, with the lease, and with what it prints."""

    fence: int | None = None
    lease_until: printpro.Time | None = None
    payload: print_views.Payload | None = Field(None, description="of a start that was taken, and whose file is ours")


def put(call: Call, path: Path, body: Request) -> Standing:
    """One agent gets the command, with a lease; the first final result stands, the same again is answered likewise."""
    caller = call.context.caller.name
    holder = f"{caller}/{body.agent_id}" if body.agent_id else caller
    end = _ENDS.get(body.status)
    if end is None:
        taken = claiming.claim_own(call.context, path.id, holder, body.fence)
        return Standing(
            **printpro_command_views.fields(taken.command),
            fence=taken.lease.fence,
            lease_until=taken.lease.until,
            payload=print_views.payload(taken.command, taken.begins) if taken.begins else None,
        )
    message = body.message if body.message is not None else result_text(body.result)
    result = Result(end, message, body.error_message, holder, body.fence)
    return Standing(**printpro_command_views.fields(command_log.report(call.context, path.id, result)))
