"""GET /api/printer-status/latest/{printerId}: a printer's live state."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.values import Id
from printpipe.endpoints import printpro_status_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_status_views import Latest
from printpipe.services.printers import status_history


class Path(printpro.Path):
    """The path's parameters."""

    printer_id: Id = Field(alias="printerId")


class Arguments(printpro.Model):
    """The query."""


def get(call: Call, path: Path, query: Arguments) -> Latest:
    """What the printer reported last, whichever client did; a printer that never reported is offline."""
    return printpro_status_views.latest(status_history.latest(call.context, path.printer_id), call.context.now())
