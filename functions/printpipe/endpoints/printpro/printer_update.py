"""PUT /api/printers/{id}: changes a printer."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.errors import InvalidInput
from printpipe.domain.values import Id, Name
from printpipe.endpoints import printpro_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_printer_fields import PrinterFields
from printpipe.endpoints.printpro_printer_views import PrinterView
from printpipe.services import fleet


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

    def in_use(self) -> bool | None:
        """Whether the printer is to be in use. Raises `InvalidInput` where both names say different things."""
        if None not in (self.active, self.is_active) and self.active != self.is_active:
            raise InvalidInput("is_active: differs from active", field="is_active")
        return self.is_active if self.active is None else self.active


def put(call: Call, path: Path, query: Arguments, body: Request) -> PrinterView:
    """Changes what is given, and begins a waiting job that fits the printer now."""
    details = body.details(name=body.name, plate_cleared=body.plate_cleared, active=body.in_use())
    return printpro_printer_views.printer(fleet.change(call.context, path.id, details))
