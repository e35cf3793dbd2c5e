"""PUT /api/printers/{id}: changes a printer."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.values import Id, Name
from printpipe.endpoints import printpro_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_printer_fields import PrinterFields, in_use
from printpipe.endpoints.printpro_printer_views import PrinterView
from printpipe.services.printers import fleet


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Arguments(printpro.Model):
    """The query."""


class Request(PrinterFields):
    """The body: what is left out stays as it is. `is_active` is another name of `active`."""

    name: Name | None = None
    plate_cleared: bool | None = Field(None, description="true once nothing lies on the plate: the next job may begin")
    active: bool | None = None
    is_active: bool | None = None


def put(call: Call, path: Path, query: Arguments, body: Request) -> PrinterView:
    """Changes what is given, and begins a waiting job that fits the printer now."""
    active = in_use(body.active, body.is_active)
    details = body.details(name=body.name, plate_cleared=body.plate_cleared, active=active)
    return printpro_printer_views.printer(fleet.change(call.context, path.id, details))
