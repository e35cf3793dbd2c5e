"""GET /api/printers: an organization's printers."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.printer_status import Activity
from printpipe.domain.values import OptionalName
from printpipe.endpoints import printpro_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_lists import Paged
from printpipe.endpoints.printpro_printer_views import PrinterView
from printpipe.services import fleet
from printpipe.services.fleet import Wanted


class Arguments(Paged):
    """The query: `status` is what a printer does now, `model` any of its model's names."""

    status: Activity | None = None
    brand: OptionalName = None
    model: OptionalName = None
    active: bool | None = None


class Listing(printpro.Reply):
    """A page, the newest first."""

    printers: list[PrinterView]
    next_cursor: str | None = Field(description="with it the next page begins; a page may be short before the last")


def get(call: Call, query: Arguments) -> Listing:
    """The printers that were not deleted, with what they do now."""
    wanted = Wanted(query.status, query.brand, query.model, query.active)
    page = fleet.listed(call.context, wanted, query.slice)
    return Listing(printers=[printpro_printer_views.printer(each) for each in page.items], next_cursor=page.next_cursor)
