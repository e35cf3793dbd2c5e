"""/api/agent/printers: POST registers a site's printers with their access codes, GET tells them to the site's agent."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.printer_records import Printer
from printpipe.domain.values import AccessCode, Id, Name, OptionalHostAddress
from printpipe.endpoints.call import Call
from printpipe.services.printers import registration
from printpipe.services.printers.registration import Credentials, Entry


class Arguments(cloud.Model):
    """The query of a GET."""

    recipient_id: Id


class NewPrinter(cloud.Model):
    """A printer to register; what is left out stays as it is."""

    printer_serial: Id
    printer_ip_address: OptionalHostAddress = None
    name: Name | None = None
    model: Name | None = None
    access_code: AccessCode | None = None


class Request(cloud.Model):
    """The body of a POST."""

    recipient_id: Id
    printers: list[NewPrinter] = Field(min_length=1, max_length=100)


class Registered(cloud.Part):
    """A printer of the site."""

    printer_id: str
    printer_serial: str | None
    printer_ip_address: str | None
    name: str | None
    model: str | None
    active: bool


class ForAgent(Registered):
    """A printer of the site as its agent sees it: with the access code in clear, which no other answer has."""

    access_code: str | None


class Registration(cloud.Reply):
    """The printers that were named, as they stand now."""

    printers: list[Registered]


class Listing(cloud.Reply):
    """The site's printers, by serial."""

    printers: list[ForAgent]


def post(call: Call, body: Request, once: Once) -> Registration:
    """Creates or changes the printers, all or none."""
    entries = [
        Entry(
            each.printer_serial,
            each.printer_ip_address,
            each.name,
            each.model,
            each.access_code.get_secret_value() if each.access_code else None,
        )
        for each in body.printers
    ]
    registered = registration.register(call.context, body.recipient_id, entries, once)
    return Registration(printers=[_registered(each) for each in registered])


def get(call: Call, query: Arguments) -> Listing:
    """Tells the printers of a site to its agent."""
    listed = registration.credentials(call.context, query.recipient_id)
    return Listing(printers=[_for_agent(each) for each in listed])


def _registered(printer: Printer) -> Registered:
    return Registered(
        printer_id=printer.printer_id,
        printer_serial=printer.serial,
        printer_ip_address=printer.ip_address,
        name=printer.name,
        model=printer.model,
        active=printer.active,
    )


def _for_agent(listed: Credentials) -> ForAgent:
    return ForAgent(**dict(_registered(listed.printer)), access_code=listed.access_code)
