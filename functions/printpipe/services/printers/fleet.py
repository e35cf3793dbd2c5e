"""An organization's printers, as its people keep them: entered, listed, changed and removed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from printpipe.domain import plates
from printpipe.domain.errors import Conflict, PrinterBusy, Unavailable
from printpipe.domain.fitting import activity_now
from printpipe.domain.ids import Once
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Delete, Document, PreconditionFailed, Update, Write
from printpipe.domain.printer_models import model_of, same_machine
from printpipe.domain.printer_records import Printer
from printpipe.domain.printer_status import Activity
from printpipe.domain.tenancy import Recipient
from printpipe.services.access import access_codes, recipients
from printpipe.services.context import Context
from printpipe.services.jobs import dispatch
from printpipe.services.printers import contacts, printers
from printpipe.services.printers.printers import Found
from printpipe.services.store import audit, paging, queries, receipts
from printpipe.services.store.commit import commit_new
from printpipe.services.store.paging import After, Page, Slice

SHOWS_CODES = "access_codes.read"
"""The scope that a caller needs to see access codes."""

_TRIES = 10
_STAMPS = frozenset({"contact", "updated_at", "plate_cleared_at"})
_NOBODY = Found(None, None)
_MATTERS_TO_JOBS = frozenset(
    {"serial", "model", "brand", "nozzle_diameter", "supported_materials", "build_volume", "active", "recipient_id"}
)
"""Fields by which a waiting job may fit a printer that it did not fit before."""

_MATTERS_TO_CONTACT = frozenset({"serial", "ip_address", "brand", "recipient_id"})
"""Fields by which a printer is reached, beside its access code."""


@dataclass(frozen=True)
class Details:
    """What somebody says of a printer: `fields` are the record's, by name; `access_code` None leaves that as it is.

    `tested`: its site's agent is to find out whether it can be reached so.
    """

    fields: Mapping[str, Any]
    access_code: str | None = field(default=None, repr=False)
    tested: bool = False


@dataclass(frozen=True)
class Wanted:
    """Which printers a list shows; None leaves a condition out."""

    activities: Sequence[Activity] | None = None
    brand: str | None = None
    model: str | None = None
    active: bool | None = None
    recipient_id: str | None = None


@dataclass(frozen=True)
class Shown:
    """A printer, what it does now, and its access code where the caller may see it."""

    printer: Printer
    activity: Activity
    access_code: str | None = field(repr=False)


def create(context: Context, details: Details, once: Once) -> Shown:
    """Enters a printer, in use unless its details say otherwise.

    One that its site's reports have made known already becomes that printer. It is known by its serial, or, where none
    is given, by its address. Raises `Conflict` where a printer in use has the serial, one of another site, or where the
    id that was chosen for it is taken; `InvalidInput` where it must be said at which site it stands.
    """
    tenant = context.tenant
    for _ in range(_TRIES):
        if repeated := receipts.find(context, tenant, once):
            return _repeated(context, repeated.created)
        try:
            entered = _entered(context, tenant, details, once)
        except PreconditionFailed:
            continue  # it appeared, or was entered, in this moment
        except Conflict:
            if repeated := receipts.find(context, tenant, once):  # with what was entered by the same call just now
                return _repeated(context, repeated.created)
            raise
        if details.tested and entered.contact is not None:
            entered = contacts.test(context, entered)
        return _shown(context, [entered])[0]
    raise Unavailable("The printer is being changed by others", retry_after=1)


def listed(context: Context, wanted: Wanted, part: Slice) -> Page[Shown]:
    """The organization's printers that are wanted, the newest first.

    What a printer does and is called is not looked up but looked at: a page may end before it is full.
    """

    def find(after: After | None, limit: int) -> list[Document]:
        return context.documents.query(
            queries.printers_of_organization(
                context.collections, context.tenant, wanted.active, limit, after, wanted.recipient_id
            )
        )

    def parse(document: Document) -> Printer | None:
        printer = Printer.of(document)
        return printer if _is_wanted(context, printer, wanted) else None

    page = paging.sift(find, part, parse)
    return Page(_shown(context, page.items), page.next_cursor)


def get(context: Context, printer_id: str) -> Shown:
    """A printer of the organization. Raises `NotFound`."""
    return _shown(context, [Printer.of(printers.own(context, printer_id))])[0]


def change(context: Context, printer_id: str, details: Details) -> Shown:
    """Changes what is given of a printer, and serves the queue where a waiting job may fit it now.

    That its plate is clear is noted whenever it is said. Raises `NotFound`; `Conflict` for a serial that another
    printer has, and for another serial or site while the printer is occupied.
    """
    return _change(context, lambda: printers.own(context, printer_id), details)


def change_named(context: Context, name: str, details: Details) -> Shown:
    """Changes a printer as `change` does, by any of its names."""
    return _change(context, lambda: printers.named(context, name), details)


def remove(context: Context, printer_id: str) -> Printer:
    """Takes a printer out of the organization: its names are free again, and its access code is no more.

    Raises `NotFound`, and `Conflict` while it is occupied.
    """
    return _remove(context, lambda: printers.own(context, printer_id))


def remove_named(context: Context, name: str) -> Printer:
    """Removes a printer as `remove` does, by any of its names."""
    return _remove(context, lambda: printers.named(context, name))


def _entered(context: Context, tenant: str, details: Details, once: Once) -> Printer:
    """Writes the printer. Raises `PreconditionFailed` where what was found is not so any more."""
    serial = details.fields.get("serial")
    found = printers.find(context, tenant, [serial])[serial] if serial else _NOBODY
    if found.printer and found.printer.data["active"]:
        raise Conflict("A printer with this serial is registered already", field="serial")
    site = found.printer.data["recipientId"] if found.printer else None
    recipient = recipients.chosen(context, details.fields.get("recipient_id") or site or _only_site(context))
    if site not in (None, recipient.id):
        raise Conflict("The printer with this serial stands at another site", field="serial")
    standing = found.printer or _appeared_at(context, recipient, details)
    chosen_id = details.fields.get("chosen_id")
    chosen = _free(context, tenant, chosen_id, standing) if chosen_id is not None else None
    fields = {"active": True, **details.fields, "recipient_id": recipient.id}
    if standing is None:
        blank = printers.new(context, recipient, serial, None, active=True)
        printer = _to_test(context, blank.model_copy(update=fields), details)
        writes = printers.creation(context, printer, found.alias, chosen)
    else:
        before = Printer.of(standing)
        changes = {name: value for name, value in fields.items() if value is not None}
        changes |= {"plate_cleared": plates.is_empty_at_registration(before), "updated_at": context.now()}
        printer = _to_test(context, before.model_copy(update=changes), details)
        writes = [Update(standing.path, printer.fields({*changes, "contact"}), standing.version)]
        if chosen_id is not None:
            writes.append(printers.naming(context, tenant, standing.id, chosen_id, chosen, printers.CHOSEN))
    if details.access_code is not None:
        writes.append(access_codes.write(context, printer, details.access_code))
    writes += receipts.issue(context, tenant, once, printers.path(context, printer.printer_id))
    writes.append(_audited(context, "printer.created", printer, printer.name))
    first, *others = writes
    if isinstance(first, Create):
        commit_new(context.documents, first, *others)
    else:
        context.documents.commit(*writes)
    log("printer_created", printerId=printer.printer_id, printerSerial=printer.serial, recipientId=recipient.id)
    return printer


def _free(context: Context, tenant: str, chosen_id: str, standing: Document | None) -> Document | None:
    """What lies under an id that people choose for a new printer, of one that is no more. Raises `Conflict`."""
    by_chosen, by_serial, itself = printers.called(context, tenant, chosen_id)
    others = [each.printer.id for each in (by_serial, itself) if each.printer is not None]
    if by_chosen.printer is not None or any(other != (standing and standing.id) for other in others):
        raise Conflict("A printer has this id already", field="id")
    if standing is not None and standing.data.get("chosenId") is not None:
        raise Conflict("The printer with this serial has another id", field="id")
    return by_chosen.alias


def _only_site(context: Context) -> str | None:
    """The one site that the caller's key is for, where it is for one alone."""
    sites = context.caller.recipient_ids or ()
    return next(iter(sites)) if len(sites) == 1 else None


def _to_test(context: Context, printer: Printer, details: Details) -> Printer:
    return printer.model_copy(update={"contact": contacts.begun(context, printer)}) if details.tested else printer


def _appeared_at(context: Context, recipient: Recipient, details: Details) -> Document | None:
    """The printer that the site's reports showed at the address, where one is entered by its address alone."""
    address = details.fields.get("ip_address")
    if address is None or details.fields.get("serial") is not None:
        return None
    query = queries.printers_at_address(context.collections, recipient.id, address)
    found = context.documents.query(query)
    return found[0] if len(found) == 1 and not found[0].data["active"] else None


def _change(context: Context, find: Callable[[], Document], details: Details) -> Shown:
    for _ in range(_TRIES):
        document = find()
        before = Printer.of(document)
        changes = {name: value for name, value in details.fields.items() if value != getattr(before, name)}
        if details.fields.get("plate_cleared"):
            changes |= {"plate_cleared": True, "plate_cleared_at": context.now()}
        if not changes and details.access_code is None:
            return _shown(context, [before])[0]
        changes["updated_at"] = context.now()
        after = before.model_copy(update=changes)
        tested = details.tested and (details.access_code is not None or bool(_MATTERS_TO_CONTACT & changes.keys()))
        if tested and contacts.begun(context, after) is None:
            tested, changes["contact"] = False, None
            after = after.model_copy(update=changes)
        try:
            context.documents.commit(*_changed(context, document, before, after, changes, details.access_code))
        except PreconditionFailed:
            continue
        if "plate_cleared_at" in changes or _MATTERS_TO_JOBS & changes.keys():
            dispatch.serve_if_possible(context, after.organization_id)
            after = Printer.of(printers.own(context, document.id))
        if tested:
            after = contacts.test(context, after)
        return _shown(context, [after])[0]
    raise Unavailable("The printer is being changed by others", retry_after=1)


def _remove(context: Context, find: Callable[[], Document]) -> Printer:
    for _ in range(_TRIES):
        document = find()
        printer = Printer.of(document)
        if printer.occupants:
            raise _occupied(printer, "printer_id")
        now = context.now()
        changes = {"active": False, "deleted_at": now, "updated_at": now}
        after = printer.model_copy(update=changes)
        writes: list[Write] = [Update(document.path, after.fields(changes), document.version)]
        writes += [*_unnamed(context, printer), access_codes.removal(context, printer)]
        try:
            context.documents.commit(*writes, _audited(context, "printer.removed", printer))
        except PreconditionFailed:
            continue
        log("printer_removed", printerId=printer.printer_id, printerSerial=printer.serial)
        return after
    raise Unavailable("The printer is being changed by others", retry_after=1)


def _repeated(context: Context, document: Document) -> Shown:
    printer = Printer.of(document)
    if printer.deleted_at is not None:
        raise Conflict("What this idempotency key created is there no longer", field="Idempotency-Key")
    context.recipient(printer.recipient_id)
    return _shown(context, [printer])[0]


def _changed(
    context: Context,
    document: Document,
    before: Printer,
    after: Printer,
    changes: Mapping[str, Any],
    access_code: str | None,
) -> list[Write]:
    writes: list[Write] = [Update(document.path, after.fields(changes), document.version)]
    moved = [name for name in ("serial", "recipient_id") if name in changes]
    if moved and before.occupants:
        raise _occupied(before, moved[0])
    if "recipient_id" in moved:
        recipients.chosen(context, after.recipient_id)
    if after.serial is not None and "serial" in moved:
        found = printers.find(context, after.organization_id, [after.serial])[after.serial]
        if found.printer:
            raise Conflict("Another printer has this serial", field="serial")
        naming = printers.naming(context, after.organization_id, after.printer_id, after.serial, found.alias)
        writes += [naming, *_unnamed(context, before, [printers.SERIAL])]
    if access_code is not None:
        writes.append(access_codes.write(context, after, access_code))
    said = changes.keys() - _STAMPS | ({"access_code"} if access_code is not None else set())
    writes.append(_audited(context, "printer.changed", after, ", ".join(sorted(said))))
    return writes


def _unnamed(
    context: Context, printer: Printer, kinds: Collection[str] = (printers.SERIAL, printers.CHOSEN)
) -> list[Write]:
    """The writes that give the printer's names of these kinds free, so far as they still are the printer's."""
    return [Delete(each.path, each.version) for each in printers.aliases_of(context, printer, kinds)]


def _shown(context: Context, found: Sequence[Printer]) -> list[Shown]:
    codes: Mapping[str, str | None] = {}
    if context.caller.may(SHOWS_CODES):
        codes = access_codes.read_all(context, found)
    now = context.now()
    return [Shown(each, activity_now(each.state, now), codes.get(each.printer_id)) for each in found]


def _is_wanted(context: Context, printer: Printer, wanted: Wanted) -> bool:
    if wanted.activities is not None and activity_now(printer.state, context.now()) not in wanted.activities:
        return False
    if wanted.brand is not None and (printer.brand or "").casefold() != wanted.brand.casefold():
        return False
    return wanted.model is None or _is_model(printer, wanted.model)


def _is_model(printer: Printer, text: str) -> bool:
    """Whether the printer's model is written so, or is the same machine by another of its names."""
    if (printer.model or "").casefold() == text.casefold():
        return True
    one, other = model_of(printer.model, printer.brand), model_of(text, printer.brand)
    return one is not None and other is not None and same_machine(one, other) is True


def _audited(context: Context, action: str, printer: Printer, detail: str | None = None) -> Write:
    return audit.entry(
        context,
        action,
        printer.organization_id,
        subject=printer.printer_id,
        recipient_id=printer.recipient_id,
        printer=printer.serial or printer.ip_address,
        detail=detail,
    )


def _occupied(printer: Printer, field: str) -> PrinterBusy:
    names = [f"{'command' if each.command_id else 'job'} {name}" for name, each in sorted(printer.occupants.items())]
    return PrinterBusy(f"What was begun at this printer has not ended: {', '.join(names)}", field=field)
