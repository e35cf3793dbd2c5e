"""GET /api/printer-status/history/{printerId}: what was kept of a printer's reports."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.values import Id, QueryMoment
from printpipe.endpoints import printpro_status_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_lists import Paged
from printpipe.endpoints.printpro_status_views import Sample
from printpipe.services.printers import status_history


class Path(printpro.Path):
    """The path's parameters."""

    printer_id: Id = Field(alias="printerId")


class Arguments(Paged):
    """The query: reports that were taken from `since` to `until`, both included."""

    since: QueryMoment | None = None
    until: QueryMoment | None = None


class Listing(printpro.Reply):
    """A page, the newest first.

    What `POST /api/printer-status` takes with a token is all kept, of other reports samples are; of each printer the
    last 1,000.
    """

    history: list[Sample]
    next_cursor: str | None = Field(description="with it the next page begins")


def get(call: Call, path: Path, query: Arguments) -> Listing:
    """What the printer reported, whichever client did."""
    page = status_history.history(call.context, path.printer_id, query.since, query.until, query.slice)
    return Listing(history=[printpro_status_views.sample(each) for each in page.items], next_cursor=page.next_cursor)
