"""Whose a printer is and under which names it is found: its serial, or its address at a site."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from printpipe.domain.errors import Conflict
from printpipe.domain.ids import new_id
from printpipe.domain.ports.documents import Create, Document, Update, Write
from printpipe.domain.records import Printer
from printpipe.domain.tenancy import Recipient
from printpipe.services import queries
from printpipe.services.context import Context

SERIAL = "serial"
"""The kind of alias that a serial is."""


@dataclass(frozen=True)
class Found:
    """What stands under a serial: the alias, and the printer that it names; either may be missing."""

    alias: Document | None
    printer: Document | None

    def at(self, recipient: Recipient) -> Document | None:
        """The printer, if it is the recipient's. Raises `Conflict` where it is another's."""
        if self.printer and self.printer.data["recipientId"] != recipient.id:
            raise Conflict("The printer is registered at another site", field="printerSerial")
        return self.printer


def path(context: Context, printer_id: str) -> str:
    """Where a printer is stored."""
    return f"{context.collections.printers}/{printer_id}"


def find(context: Context, organization_id: str, serials: Iterable[str]) -> Mapping[str, Found]:
    """What stands under each serial in an organization; two reads for each that is there, one for each that is not."""
    names = {serial: _alias_path(context, organization_id, SERIAL, serial) for serial in serials}
    aliases = context.documents.get_many(names.values()) if names else {}
    targets = {name: path(context, alias.data["printerId"]) for name, alias in aliases.items()}
    printers = context.documents.get_many(targets.values()) if targets else {}
    return {
        serial: Found(aliases.get(name), printers.get(targets[name]) if name in targets else None)
        for serial, name in names.items()
    }


def at_address(context: Context, recipient: Recipient, address: str) -> Document | None:
    """The printer of the site that was seen last at that address; several may have had it."""
    found = context.documents.query(queries.printers_at_address(context.collections, recipient.id, address))
    return max(found, key=_reported, default=None)


def new(context: Context, recipient: Recipient, serial: str, ip_address: str | None, *, active: bool) -> Printer:
    """A printer of a recipient, not stored yet."""
    return Printer(
        printer_id=new_id(),
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        serial=serial,
        ip_address=ip_address,
        active=active,
        created_at=context.now(),
    )


def creation(context: Context, printer: Printer, alias: Document | None) -> list[Write]:
    """The writes that store a new printer under its serial, of which two at once cannot both succeed.

    `alias` is one that names a printer that is no more.
    """
    assert printer.serial is not None
    where = _alias_path(context, printer.organization_id, SERIAL, printer.serial)
    fields = {"printerId": printer.printer_id, "organizationId": printer.organization_id}
    return [
        Create(path(context, printer.printer_id), printer.data()),
        Update(where, fields, alias.version) if alias else Create(where, fields),
    ]


def _alias_path(context: Context, organization_id: str, kind: str, value: str) -> str:
    """Where an alias is stored; that an organization's id holds no `_` keeps tenants apart."""
    return f"{context.collections.printer_aliases}/{organization_id}_{kind}_{value}"


def _reported(document: Document) -> tuple[str, str]:
    printer = Printer.of(document)
    return (printer.state.reported_at.isoformat() if printer.state else "", printer.printer_id)
