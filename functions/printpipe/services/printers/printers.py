"""Whose a printer is and under which names it is found: its serial, an id that people chose, its address at a site."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from printpipe.domain.errors import Conflict, NotFound
from printpipe.domain.ids import new_id
from printpipe.domain.ports.documents import Create, Document, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.store import queries

SERIAL = "serial"
CHOSEN = "id"
"""The kinds of alias: a serial, and an id that people chose."""

MOST_AWAITED = 500
"""Printers of a site that were registered without a serial and have not been heard of yet."""


@dataclass(frozen=True)
class Found:
    """What stands under a serial: the alias, and the printer that it names; either may be missing."""

    alias: Document | None
    printer: Document | None

    @classmethod
    def of(cls, alias: Document | None, printer: Document | None) -> Self:
        """The same without a printer that was deleted: it is no more, and its alias is free for another one."""
        return cls(alias, printer if printer and printer.data.get("deletedAt") is None else None)

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
        serial: Found.of(aliases.get(name), printers.get(targets[name]) if name in targets else None)
        for serial, name in names.items()
    }


def called(context: Context, organization_id: str, text: str) -> tuple[Found, Found, Found]:
    """What an organization calls so: by an id that people chose, by a serial, and by a printer's own id."""
    names = [_alias_path(context, organization_id, kind, text) for kind in (CHOSEN, SERIAL)]
    own_path = path(context, text)
    stored = context.documents.get_many([*names, own_path])
    aliases = [stored.get(name) for name in names]
    targets = {path(context, alias.data["printerId"]) for alias in aliases if alias is not None} - {own_path}
    stored |= context.documents.get_many(targets) if targets else {}
    itself = stored.get(own_path)
    theirs = itself if itself is not None and itself.data["organizationId"] == organization_id else None
    by_chosen, by_serial = (
        Found.of(alias, stored.get(path(context, alias.data["printerId"])) if alias is not None else None)
        for alias in aliases
    )
    return by_chosen, by_serial, Found.of(None, theirs)


def named(context: Context, text: str) -> Document:
    """The caller's printer that is called so: by the id that people chose, by its serial, or by its own id.

    Raises as `own` does.
    """
    found = called(context, context.tenant, text)
    return _permitted(context, next((each.printer for each in found if each.printer is not None), None))


def own(context: Context, printer_id: str) -> Document:
    """The caller's printer of that id. Raises `NotFound`, or `Forbidden` where its site is not for the caller's key."""
    return _permitted(context, Found.of(None, context.documents.get(path(context, printer_id))).printer)


def _permitted(context: Context, document: Document | None) -> Document:
    organization = context.caller.organization_id
    if document is None or organization not in (None, document.data["organizationId"]):
        raise NotFound("No such printer", field="printer_id")
    context.recipient(document.data["recipientId"])
    return document


def awaited(context: Context, recipient: Recipient, addresses: Collection[str]) -> Mapping[str | None, Document]:
    """By address, the printer in use that was registered there without its serial, where it is the only one."""
    query = queries.printers_without_serial(context.collections, recipient.id, MOST_AWAITED)
    found = context.documents.query(query)
    numbers = Counter(each.data["ipAddress"] for each in found)
    return {
        address: each for each in found if (address := each.data["ipAddress"]) in addresses and numbers[address] == 1
    }


def at_address(context: Context, recipient: Recipient, address: str) -> Document | None:
    """The printer of the site that was seen last at that address; several may have had it."""
    found = context.documents.query(queries.printers_at_address(context.collections, recipient.id, address))
    return max(found, key=_reported, default=None)


def new(context: Context, recipient: Recipient, serial: str | None, ip_address: str | None, *, active: bool) -> Printer:
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


def creation(context: Context, printer: Printer, alias: Document | None, chosen: Document | None = None) -> list[Write]:
    """The writes that store a new printer, under its names if it has some: of two at once only one then succeeds.

    `alias` and `chosen` are what puts a printer that is no more under its serial and under its chosen id.
    """
    organization, identity = printer.organization_id, printer.printer_id
    writes: list[Write] = [Create(path(context, identity), printer.data())]
    if printer.serial is not None:
        writes.append(naming(context, organization, identity, printer.serial, alias))
    if printer.chosen_id is not None:
        writes.append(naming(context, organization, identity, printer.chosen_id, chosen, CHOSEN))
    return writes


def aliases_of(context: Context, printer: Printer, kinds: Collection[str] = (SERIAL, CHOSEN)) -> list[Document]:
    """What puts the printer under its names of these kinds, without those under which another one stands by now."""
    values = {SERIAL: printer.serial, CHOSEN: printer.chosen_id}
    paths = [_alias_path(context, printer.organization_id, kind, value) for kind in kinds if (value := values[kind])]
    found = context.documents.get_many(paths) if paths else {}
    return [each for each in found.values() if each.data["printerId"] == printer.printer_id]


def naming(
    context: Context, organization_id: str, printer_id: str, value: str, alias: Document | None, kind: str = SERIAL
) -> Write:
    """The write that puts a printer under a serial, or another kind of name; of two at once only one succeeds."""
    where = _alias_path(context, organization_id, kind, value)
    fields = {"printerId": printer_id, "organizationId": organization_id}
    return Update(where, fields, alias.version) if alias else Create(where, fields)


def _alias_path(context: Context, organization_id: str, kind: str, value: str) -> str:
    """Where an alias is stored; that an organization's id holds no `_` keeps tenants apart."""
    return f"{context.collections.printer_aliases}/{organization_id}_{kind}_{value}"


def _reported(document: Document) -> tuple[str, str]:
    printer = Printer.of(document)
    return (printer.state.reported_at.isoformat() if printer.state else "", printer.printer_id)
