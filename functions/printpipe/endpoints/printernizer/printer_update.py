"""PUT /api/v1/printers/{printer_id}: changes a printer."""

from printpipe.dialects import printernizer
from printpipe.domain.values import Id, Name, OptionalHostAddress
from printpipe.endpoints import printernizer_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_printer_fields import MAKERS, PrinterFields, Type
from printpipe.services.printers import contacts, fleet
from printpipe.services.printers.contacts import Connection


class Path(printernizer.Path):
    """The path's parameters."""

    printer_id: Id


class Arguments(printernizer.Model):
    """The query."""


class Request(PrinterFields):
    """The body: what is left out, null or empty stays as it is."""

    name: Name | None = None
    type: Type | None = None
    ip_address: OptionalHostAddress = None
    is_active: bool | None = None


class Changed(printernizer.Reply):
    """The printer that was changed."""

    id: str
    message: str = "Printer configuration updated successfully"
    connection_status: Connection
    updated_at: printernizer.Time


def put(call: Call, path: Path, query: Arguments, body: Request) -> Changed:
    """Changes what is given; how it is reached is tested anew where that changes."""
    details = body.details(
        name=body.name,
        brand=MAKERS[body.type] if body.type else None,
        ip_address=body.ip_address,
        active=body.is_active,
    )
    printer = fleet.change_named(call.context, path.printer_id, details).printer
    return Changed(
        id=printernizer_printer_views.name_of(printer),
        connection_status=contacts.connection(printer, call.context.now()),
        updated_at=printer.updated_at or printer.created_at,
    )
