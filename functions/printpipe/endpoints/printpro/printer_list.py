"""GET /api/printers: an organization's printers."""

from typing import Annotated, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from printpipe.dialects import printpro
from printpipe.domain.printer_status import Activity
from printpipe.domain.values import OptionalId, OptionalName
from printpipe.endpoints import printpro_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_lists import Paged
from printpipe.endpoints.printpro_printer_fields import in_use
from printpipe.endpoints.printpro_printer_views import PrinterView
from printpipe.endpoints.printpro_words import Words
from printpipe.services.printers import fleet
from printpipe.services.printers.fleet import Wanted

_ACTIVITIES: tuple[Activity, ...] = get_args(Activity)
_FAILED: Activity = "failed"
_WORDS = Words({**{each: each for each in _ACTIVITIES}, "error": _FAILED})

Activities = Annotated[list[Activity] | None, BeforeValidator(_WORDS.read), WithJsonSchema(_WORDS.schema)]
"""What printers that a list is to show do; None for all."""


class Arguments(Paged):
    """The query: `status` is what a printer does now (`error` is failed), `model` any of its model's names.

    `is_active` is another name of `active`.
    """

    status: Activities = None
    brand: OptionalName = None
    model: OptionalName = None
    active: bool | None = None
    is_active: bool | None = None
    recipient_id: OptionalId = Field(None, description="the site at which it stands")


class Listing(printpro.Reply):
    """A page, the newest first."""

    printers: list[PrinterView]
    next_cursor: str | None = Field(description="with it the next page begins; a page may be short before the last")


def get(call: Call, query: Arguments) -> Listing:
    """The printers that were not deleted, with what they do now."""
    active = in_use(query.active, query.is_active)
    wanted = Wanted(query.status, query.brand, query.model, active, query.recipient_id)
    page = fleet.listed(call.context, wanted, query.slice)
    return Listing(printers=[printpro_printer_views.printer(each) for each in page.items], next_cursor=page.next_cursor)
