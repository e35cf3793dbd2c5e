"""GET /api/printer-commands: an organization's commands."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.values import OptionalId, OptionalName, QueryMoment
from printpipe.endpoints import printpro_command_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_command_views import CommandView, Statuses
from printpipe.endpoints.printpro_lists import Paged
from printpipe.services.commands import command_log
from printpipe.services.commands.command_log import Wanted


class Arguments(Paged):
    """The query; `command_type` is any of a command's names, and finds it by whichever it was asked for.

    Commands are found that were ordered from `since` to `until`, both included.
    """

    status: Statuses = None
    printer_id: OptionalId = None
    command_type: OptionalName = None
    since: QueryMoment | None = None
    until: QueryMoment | None = None


class Listing(printpro.Reply):
    """A page, the newest first."""

    commands: list[CommandView]
    next_cursor: str | None = Field(description="with it the next page begins; a page may be short before the last")


def get(call: Call, query: Arguments) -> Listing:
    """The commands that were not deleted, whoever asked for them."""
    wanted = Wanted(query.status, query.printer_id, query.command_type, query.since, query.until)
    page = command_log.listed(call.context, wanted, query.slice)
    return Listing(commands=[printpro_command_views.command(each) for each in page.items], next_cursor=page.next_cursor)
