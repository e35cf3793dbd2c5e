"""POST /control/{commandId}/result: takes a command's result in the older form."""

from printpipe.dialects import cloud
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.values import Id, Text
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.result_text import AnyResult, result_text
from printpipe.services.commands import execution
from printpipe.services.commands.execution import Result


class Path(cloud.Model):
    """The path's parameters."""

    command_id: Id


class Arguments(cloud.Model):
    """The query."""

    recipient_id: Id


class Request(cloud.Model):
    """The body; of `result`, any JSON, the first 4,096 characters are kept, without fields named like secrets."""

    success: bool
    result: AnyResult | None = None
    error: Text | None = None


def post(call: Call, path: Path, query: Arguments, body: Request) -> cloud_views.EndedCommand:
    """Takes a result; the first final one stands, the same again is answered likewise."""
    result = Result(
        status=CommandStatus.COMPLETED if body.success else CommandStatus.FAILED,
        message=result_text(body.result),
        error_message=body.error,
    )
    return cloud_views.ended(execution.report(call.context, query.recipient_id, path.command_id, result))
