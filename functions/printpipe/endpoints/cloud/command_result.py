"""POST /control/result: takes the result of a command's execution."""

from typing import Literal

from printpipe.dialects import cloud
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.values import Id, OptionalId, Text, Whole
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services.commands import execution
from printpipe.services.commands.execution import Result


class Request(cloud.Model):
    """The body; `unknown` is our agent's word for an effect that nobody can tell."""

    command_id: Id
    recipient_id: Id
    printer_serial: OptionalId = None
    status: Literal["completed", "failed", "error", "unknown"]
    message: Text | None = None
    error_message: Text | None = None
    agent_id: Id | None = None
    fence: Whole | None = None


def post(call: Call, body: Request) -> cloud_views.EndedCommand:
    """The first final result stands; the same again is answered likewise."""
    result = Result(
        status=CommandStatus("failed" if body.status == "error" else body.status),
        message=body.message,
        error_message=body.error_message,
        holder=body.agent_id,
        fence=body.fence,
    )
    return cloud_views.ended(execution.report(call.context, body.recipient_id, body.command_id, result))
