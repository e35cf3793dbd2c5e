"""How a command looks in the dialect `printpro`, and how its states are named."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from printpipe.dialects import printpro
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.records import Command
from printpipe.endpoints.printpro_words import Words

_WORDS = Words({printpro.command_status(status): status for status in CommandStatus})
Statuses = Annotated[list[CommandStatus] | None, BeforeValidator(_WORDS.read), WithJsonSchema(_WORDS.schema)]
"""States that a list is to show; None for all."""


class CommandView(printpro.Reply):
    """A command. `metadata` is as the executor reads it."""

    id: str
    command_id: str
    organization_id: str = Field(serialization_alias="organizationId")
    printer_id: str | None
    printer_serial: str | None
    recipient_id: str = Field(description="the site at which it is carried out")
    command_type: str = Field(description="the name by which it was asked for")
    type: str = Field(description="its canonical name")
    metadata: dict[str, Any]
    status: str = Field(description=", ".join(_WORDS.meanings))
    lane: str = Field(description="`priority` for what protects a machine, else `normal`")
    job_id: str | None
    message: str | None
    error_message: str | None
    created_at: printpro.Time
    acknowledged_at: printpro.Time | None = Field(description="when an executor took it")
    executed_at: printpro.Time | None = Field(description="the same")
    completed_at: printpro.Time | None = Field(description="when it ended, however")
    expires_at: printpro.Time = Field(description="until when an executor may take it")


def command(shown: Command) -> CommandView:
    """The command as callers see it."""
    return CommandView(**fields(shown))


def fields(shown: Command) -> dict[str, Any]:
    """The view's fields by name."""
    return {
        "id": shown.command_id,
        "command_id": shown.command_id,
        "organization_id": shown.organization_id,
        "printer_id": shown.printer_id,
        "printer_serial": shown.printer_serial,
        "recipient_id": shown.recipient_id,
        "command_type": shown.command_type,
        "type": shown.type,
        "metadata": dict(shown.metadata),
        "status": printpro.command_status(shown.status),
        "lane": shown.lane,
        "job_id": shown.job_id,
        "message": shown.message,
        "error_message": shown.error_message,
        "created_at": shown.created_at,
        "acknowledged_at": shown.acknowledged_at,
        "executed_at": shown.acknowledged_at,
        "completed_at": shown.completed_at,
        "expires_at": shown.expires_at,
    }
