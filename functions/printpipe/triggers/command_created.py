"""A document was created in `printer_commands`: sends the command to its agent, in case the first message was lost."""

from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.records import Command
from printpipe.services.commands import messages
from printpipe.services.context import Context
from printpipe.triggers.change import Change


def handle(change: Change, context: Context) -> None:
    """Publishes; the agent knows by the command's id what it has seen."""
    if change.after is None:
        return
    command = Command.model_validate(change.after)
    if command.via_bus and command.status == CommandStatus.PENDING:
        messages.publish_command(context.platform.bus, command)
