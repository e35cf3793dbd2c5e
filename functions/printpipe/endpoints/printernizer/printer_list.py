"""GET /api/v1/printers: an organization's printers."""

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.endpoints import printernizer_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_printer_fields import MAKERS, Type
from printpipe.endpoints.printernizer_printer_views import PrinterEntry
from printpipe.services.printers import overview


class Arguments(printernizer.Model):
    """The query."""

    active: bool | None = None
    type: Type | None = None


class Listing(printernizer.Reply):
    """The printers, the newest first."""

    printers: list[PrinterEntry]
    total_count: int = Field(description="of the printers in the list")
    active_count: int = Field(description="of those of them that are in use")


def get(call: Call, query: Arguments) -> Listing:
    """All printers at the caller's sites, at most 2,000, with what they do now and the jobs at them."""
    found = overview.listed(call.context, query.active, MAKERS[query.type] if query.type else None)
    return Listing(
        printers=[printernizer_printer_views.entry(each) for each in found],
        total_count=len(found),
        active_count=sum(each.printer.active for each in found),
    )
