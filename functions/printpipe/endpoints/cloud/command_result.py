"""POST /control/result: takes the result of a command's execution."""

from typing import Annotated, Literal

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.transfers import PrinterFile
from printpipe.domain.values import Id, Moment, OptionalId, Payload, Text, Whole
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services.commands import execution
from printpipe.services.commands.execution import Result
from printpipe.services.files.storage_results import MOST_FILES, Findings, Listing


class FoundFile(cloud.Model):
    """A file on a printer; size in bytes."""

    path: str = Field(min_length=1, max_length=1024)
    name: str = Field(min_length=1, max_length=1024)
    size: int = Field(ge=0, lt=2**53)
    modified_at: Moment | None = None


class FoundFiles(cloud.Model):
    """What `list_files` found; `truncated`: there is more."""

    files: list[FoundFile] = Field(max_length=MOST_FILES)
    truncated: bool = False


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
    result: Annotated[FoundFiles | Payload | None, Field(union_mode="left_to_right")] = None


def post(call: Call, body: Request) -> cloud_views.EndedCommand:
    """The first final result stands; the same again is answered likewise."""
    result = Result(
        status=CommandStatus("failed" if body.status == "error" else body.status),
        message=body.message,
        error_message=body.error_message,
        holder=body.agent_id,
        fence=body.fence,
        found=_findings(body.result),
    )
    return cloud_views.ended(execution.report(call.context, body.recipient_id, body.command_id, result))


def _findings(told: FoundFiles | Payload | None) -> Findings | None:
    if not isinstance(told, FoundFiles):
        return None if told is None else Findings(values=told)
    found = [
        PrinterFile(path=each.path, name=each.name, size=each.size, modified_at=each.modified_at) for each in told.files
    ]
    return Findings(listing=Listing(found, told.truncated))
