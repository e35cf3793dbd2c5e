"""GET /api/printer-commands/pending: what waits for an agent that polls."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.values import OptionalId
from printpipe.endpoints import printpro_command_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_command_views import CommandView
from printpipe.services.commands import command_log, commands


class Arguments(printpro.Model):
    """The query; without `printer_id` it is about all of the organization's printers."""

    printer_id: OptionalId = None
    limit: int = Field(commands.DEFAULT_LIMIT, ge=1, le=100)


class Listing(printpro.Reply):
    """Commands in the order in which they are to be carried out; what is taken makes room for more."""

    commands: list[CommandView]
    next_cursor: None = None


def get(call: Call, query: Arguments) -> Listing:
    """Stops first, without what a later command overrules; nothing of a site that has our own agent."""
    found = command_log.pending(call.context, query.printer_id, query.limit)
    return Listing(commands=[printpro_command_views.command(each) for each in found])
