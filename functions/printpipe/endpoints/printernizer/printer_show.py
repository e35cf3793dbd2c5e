"""GET /api/v1/printers/{printer_id}: a printer, what it does and what it has printed."""

from printpipe.dialects import printernizer
from printpipe.domain.values import Id
from printpipe.endpoints import printernizer_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_printer_views import PrinterView
from printpipe.services.printers import overview


class Path(printernizer.Path):
    """The path's parameters."""

    printer_id: Id


class Arguments(printernizer.Model):
    """The query."""


def get(call: Call, path: Path, query: Arguments) -> PrinterView:
    """A printer of the organization, by the id that was chosen for it, by ours, or by its serial number."""
    return printernizer_printer_views.printer(overview.show(call.context, path.printer_id))
