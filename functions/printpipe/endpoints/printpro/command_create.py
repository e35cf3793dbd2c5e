"""POST /api/printer-commands: orders a command for a printer."""

from typing import ClassVar

from printpipe.dialects import printpro
from printpipe.domain.ids import Once
from printpipe.domain.values import Id, Moment, Name, OptionalName, Payload
from printpipe.endpoints import printpro_command_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_command_views import CommandView
from printpipe.services.commands import command_log
from printpipe.services.commands.command_log import Wish


class Request(printpro.Model):
    """The body; what `metadata` holds depends on the command's type."""

    printer_id: Id
    command_type: Name
    metadata: Payload | None = None
    expires_at: Moment | None = None
    command_id: OptionalName = None

    def own_key(self) -> str | None:
        """A caller's own number for the command makes its repetition harmless."""
        return f"{self.printer_id}/{self.command_id}" if self.command_id else None


class Created(CommandView):
    """The command, on its way."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> Created:
    """Queues a command for a printer in use; what stops or cools one is taken for any."""
    wish = Wish(body.printer_id, body.command_type, body.metadata or {}, body.expires_at)
    return Created(**printpro_command_views.fields(command_log.order(call.context, wish, once)))
