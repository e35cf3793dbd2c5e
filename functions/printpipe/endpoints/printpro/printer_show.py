"""GET /api/printers/{id}: a printer and what it does."""

from printpipe.dialects import printpro
from printpipe.domain.values import Id
from printpipe.endpoints import printpro_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_printer_views import PrinterView
from printpipe.services.printers import fleet


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Arguments(printpro.Model):
    """The query."""


def get(call: Call, path: Path, query: Arguments) -> PrinterView:
    """A printer of the organization."""
    return printpro_printer_views.printer(fleet.get(call.context, path.id))
