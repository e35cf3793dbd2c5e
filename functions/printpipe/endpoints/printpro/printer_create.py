"""POST /api/printers: enters a printer."""

from typing import ClassVar

from printpipe.domain.ids import Once
from printpipe.domain.values import Name
from printpipe.endpoints import printpro_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_printer_fields import PrinterFields
from printpipe.endpoints.printpro_printer_views import PrinterView
from printpipe.services.printers import fleet


class Request(PrinterFields):
    """The body."""

    name: Name


class Created(PrinterView):
    """The printer, in use from now on."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> Created:
    """Enters a printer at a site; one that its site's reports have made known already becomes that printer.

    Its serial may be left out: it is known by its address then, until it reports.
    """
    created = fleet.create(call.context, body.details(name=body.name), once)
    return Created(**dict(printpro_printer_views.printer(created)))
