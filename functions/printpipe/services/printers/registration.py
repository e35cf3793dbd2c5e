"""Printers that people enter, with their access codes, and what the site's agent learns of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from printpipe.domain import plates
from printpipe.domain.errors import Conflict, Forbidden, InvalidInput, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.ports.documents import Document, PreconditionFailed, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.tenancy import Recipient
from printpipe.services.access import access_codes
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.store import audit, queries, receipts

MOST_PRINTERS = 500
"""Of one site, in the agent's list."""

_TRIES = 5


@dataclass(frozen=True)
class Entry:
    """A printer to register; None leaves a field as it is."""

    serial: str
    ip_address: str | None = None
    name: str | None = None
    model: str | None = None
    access_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Credentials:
    """A printer as its site's agent sees it."""

    printer: Printer
    access_code: str | None = field(repr=False)


def register(context: Context, recipient_id: str, entries: Sequence[Entry], once: Once) -> list[Printer]:
    """Creates or changes printers of a site, all or none, and makes them active; what stands already is not written.

    A repetition changes nothing, and tells the printers as they stand by then. Raises `Conflict` where one is
    registered at another site.
    """
    recipient = context.recipient(recipient_id)
    _check_serials(entries)
    tenant, site = recipient.organization_id, f"{context.collections.recipients}/{recipient.id}"
    for _ in range(_TRIES):
        repeated = receipts.find(context, tenant, once) is not None
        found = printers.find(context, tenant, [entry.serial for entry in entries])
        standing = [_standing(recipient, found[entry.serial], index) for index, entry in enumerate(entries)]
        if repeated:
            return [Printer.of(document) for document in standing if document is not None]
        codes = _codes(context, entries, standing)
        registered, writes = [], list[Write](receipts.issue(context, tenant, once, site))
        for entry, document in zip(entries, standing, strict=True):
            printer, more = _entered(context, recipient, entry, document, found[entry.serial].alias, codes)
            registered.append(printer)
            writes += more
        try:
            if writes:
                context.documents.commit(*writes)
        except PreconditionFailed:
            continue
        return registered
    raise Unavailable("The printers are being changed by others", retry_after=1)


def credentials(context: Context, recipient_id: str) -> list[Credentials]:
    """The printers of an agent's site, with their access codes in clear; by serial.

    Raises `Forbidden` for a site that has no agent of ours.
    """
    recipient = context.agents_site(recipient_id)
    if not recipient.has_agent:
        raise Forbidden("Only a site with our agent has this list", field="recipientId")
    query = queries.printers_of_recipient(context.collections, recipient.id, MOST_PRINTERS)
    found = sorted(map(Printer.of, context.documents.query(query)), key=lambda each: each.serial or "")
    codes = access_codes.read_all(context, found)
    return [Credentials(printer, codes[printer.printer_id]) for printer in found]


def _check_serials(entries: Sequence[Entry]) -> None:
    seen = set[str]()
    for index, entry in enumerate(entries):
        if entry.serial in seen:
            raise InvalidInput("Each printer may stand there once", field=f"printers.{index}.printerSerial")
        seen.add(entry.serial)


def _standing(recipient: Recipient, found: printers.Found, index: int) -> Document | None:
    try:
        return found.at(recipient)
    except Conflict as conflict:
        raise Conflict(conflict.message, field=f"printers.{index}.printerSerial") from None


def _codes(context: Context, entries: Sequence[Entry], standing: Sequence[Document | None]) -> Mapping[str, str | None]:
    """The codes that stand, of the printers that are given one: sealed twice a code would not look the same."""
    given = zip(entries, standing, strict=True)
    return access_codes.read_all(context, [Printer.of(each) for entry, each in given if each and entry.access_code])


def _entered(
    context: Context,
    recipient: Recipient,
    entry: Entry,
    document: Document | None,
    alias: Document | None,
    codes: Mapping[str, str | None],
) -> tuple[Printer, list[Write]]:
    if document is None:
        blank = printers.new(context, recipient, entry.serial, entry.ip_address, active=True)
        printer = blank.model_copy(update=_changes(blank, entry))
        writes = printers.creation(context, printer, alias)
    else:
        before = Printer.of(document)
        changes = _changes(before, entry)
        printer = before.model_copy(update=changes)
        writes = [_update(document, printer, changes)] if changes else []
    if entry.access_code and not access_codes.are_same(codes.get(printer.printer_id), entry.access_code):
        writes.append(access_codes.write(context, printer, entry.access_code))
    if not writes:
        return printer, []
    record = audit.entry(
        context,
        "printer.registered",
        recipient.organization_id,
        subject=printer.printer_id,
        recipient_id=recipient.id,
        printer=entry.serial,
    )
    return printer, [*writes, record]


def _changes(printer: Printer, entry: Entry) -> dict[str, object]:
    """The record's fields that the entry changes."""
    wanted: dict[str, object] = {
        "ip_address": entry.ip_address,
        "name": entry.name,
        "model": entry.model,
        "active": True,
    }
    if not printer.active:
        wanted["plate_cleared"] = plates.is_empty_at_registration(printer)
    return {name: value for name, value in wanted.items() if value is not None and value != getattr(printer, name)}


def _update(document: Document, printer: Printer, changes: dict[str, object]) -> Update:
    """The write of the changed fields alone: the live state beside them is others' to write."""
    changed = printer.model_dump(by_alias=True, include=set(changes))
    return Update(document.path, changed, document.version)
