"""POST /api/v1/printers: enters a printer."""

from typing import ClassVar

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import Once
from printpipe.domain.values import HostAddress, Name, NewId
from printpipe.endpoints import printernizer_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_printer_fields import MAKERS, PrinterFields, Type
from printpipe.services.printers import contacts, fleet
from printpipe.services.printers.contacts import Condition, Connection
from printpipe.services.printers.fleet import Details

_MESSAGES: dict[Connection, str] = {
    "testing": "Printer configuration created, testing connection...",
    "failed": "Printer configuration created, but its connection could not be tested",
    "unknown": "Printer configuration created; its site has no agent that could test the connection",
}
_CREATED = "Printer configuration created"


class Request(PrinterFields):
    """The body. A Bambu Lab printer needs its access code and its serial number."""

    id: NewId | None = Field(None, description="what the printer is to be called; ours where none is chosen")
    name: Name
    type: Type
    ip_address: HostAddress
    is_active: bool = True

    def entry(self) -> Details:
        """What is entered. Raises `InvalidInput` for a Bambu Lab printer that lacks what it needs."""
        if self.type == "bambu_lab":
            for name, given in (("access_code", self.code), ("serial_number", self.serial_number)):
                if given is None:
                    raise InvalidInput(f"{name}: a Bambu Lab printer needs it", field=name)
        return self.details(
            chosen_id=self.id,
            name=self.name,
            brand=MAKERS[self.type],
            ip_address=self.ip_address,
            active=self.is_active,
        )


class Created(printernizer.Reply):
    """The printer that was entered; whether it can be reached shows soon, where it is shown."""

    STATUS: ClassVar[int] = 201

    id: str
    name: str | None
    type: Type
    status: Condition
    connection_status: Connection
    message: str
    created_at: printernizer.Time


def post(call: Call, body: Request, once: Once) -> Created:
    """Enters a printer at a site, and has the site's agent find out whether it can be reached.

    One that its site's reports have made known already becomes that printer.
    """
    printer, now = fleet.create(call.context, body.entry(), once).printer, call.context.now()
    connection = contacts.connection(printer, now)
    return Created(
        id=printernizer_printer_views.name_of(printer),
        name=printer.name,
        type=body.type,
        status=contacts.condition(printer, now),
        connection_status=connection,
        message=_MESSAGES.get(connection, _CREATED),
        created_at=printer.created_at,
    )
