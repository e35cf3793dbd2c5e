"""Printers' storage: what lies there as the site's agent saw it last, and what of it is in the cloud."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from printpipe.domain.command_metadata import Empty
from printpipe.domain.commands import storage_order
from printpipe.domain.errors import Forbidden, NotFound, PrinterOffline
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.fitting import activity_now
from printpipe.domain.ids import NO_KEY, Once, printer_file_id
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.ports.documents import Document, DocumentExists, Update
from printpipe.domain.printer_records import Contact, Printer
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.domain.tenant_records import Site
from printpipe.domain.transfers import PrinterFile, PrinterStorage, TransferStatus
from printpipe.services.commands import commands
from printpipe.services.context import Context
from printpipe.services.files import files
from printpipe.services.health import HEARD_OF
from printpipe.services.printers import printers
from printpipe.services.store import file_queries

LISTED_ANEW = timedelta(minutes=1)
"""How old a list is before another one is ordered."""

MOST_PRINTERS = 500
"""Of one organization, whose storage is looked through."""

MOST_FILES = 20_000
"""Of one organization's printers, that a call looks through: it ends with the printer with which it reaches as many."""

MOST_COPIES = 10
_LISTS_AT_ONCE = 10
_MOST_TRANSFERS = 10
_WAITS = (CommandStatus.PENDING, CommandStatus.PROCESSING)
_ON_PRINTER = re.compile("p[0-9a-f]{32}")


@dataclass(frozen=True)
class Located:
    """A file by its id: on its printer's storage, stored, or both."""

    printer: Printer | None = None
    on_printer: PrinterFile | None = None
    stored: StoredPrintFile | None = None

    @property
    def is_current(self) -> bool:
        """Whether what is stored is what lies on the printer."""
        return self.stored is not None and self.on_printer is not None and is_copy_of(self.stored, self.on_printer)


def is_copy_of(stored: StoredPrintFile, file: PrinterFile) -> bool:
    """Whether the stored file, copied from that path, is what lies there now, as far as size and time tell."""
    origin = stored.origin
    return origin is not None and (origin.size, origin.modified_at) == (file.size, file.modified_at)


def order_test(context: Context, printer: Printer) -> Command:
    """Has the site's agent find out whether it reaches the printer; the outcome becomes the printer's `contact`.

    A test that waits already is given again. Raises `PrinterOffline` where the site has no agent of ours.
    """
    recipient = with_agent(context, printer)
    if waiting := _waiting_test(context, printer):
        return waiting
    command = commands.for_agent(context, recipient, printer, storage_order("test_connection", Empty()), NO_KEY)
    contact = Contact(status="testing", command_id=command.command_id, tested_at=context.now())
    testing = Update(printers.path(context, printer.printer_id), {"contact": contact.data()})
    commands.send(context, command, testing, commands.audited(context, command, "command.queued"))
    return command


def refresh(context: Context, printer: Printer) -> Command | None:
    """Has the site's agent list what lies on the printer; however many ask within a minute, it is asked once.

    None where the last list is younger than that, and where nobody could make one: the site has no agent of ours, or
    the printer is offline. A list that waits already is given again.
    """
    if not could_be_listed(context, printer):
        return None
    recipient = context.recipient(printer.recipient_id)
    minutes = [int(context.now().timestamp() // LISTED_ANEW.total_seconds()) - ago for ago in range(3)]
    keys = [Once("list_files", f"{printer.printer_id}/{minute}", "") for minute in minutes]
    asked = [commands.path(context, key.new_id(recipient.organization_id)) for key in keys]
    last = storage_path(context, printer.printer_id)
    found = context.documents.get_many([last, *asked])
    if last in found and context.now() - PrinterStorage.of(found[last]).listed_at < LISTED_ANEW:
        return None
    earlier = [Command.of(found[each]) for each in asked if each in found]
    if waiting := next((each for each in earlier if _waits(context, each)), None):
        return waiting
    if asked[0] in found:
        return None  # it has failed, a moment ago
    command = commands.for_agent(context, recipient, printer, storage_order("list_files", Empty()), keys[0])
    with suppress(DocumentExists):  # another call has asked in this moment
        commands.send(context, command)
    return command


def could_be_listed(context: Context, printer: Printer) -> bool:
    """Whether an agent is at the printer's site and the printer answers it."""
    has_agent = context.recipient(printer.recipient_id).has_agent
    return has_agent and activity_now(printer.state, context.now()) != "offline"


def locate(context: Context, file_id: str) -> Located:
    """A file of the organization's by its id, wherever it is. Raises `NotFound` on `file_id`."""
    located = _of_printers(context, file_id, search=True) if is_printers(file_id) else _stored(context, file_id)
    if located is None:
        raise NotFound("No such file", field="file_id")
    return located


def locate_stored(context: Context, file_id: str) -> Located:
    """Likewise, for whom a printer's file that was never downloaded is as good as none: no list is searched for it."""
    if is_printers(file_id):
        return _of_printers(context, file_id, search=False) or Located()
    return locate(context, file_id)


def is_printers(file_id: str) -> bool:
    """Whether that is the id of a file on a printer, and not of a stored one."""
    return _ON_PRINTER.fullmatch(file_id) is not None


def storages(context: Context) -> Iterator[PrinterStorage]:
    """What the printers hold that the caller may see, a few printers at a time, up to `MOST_FILES`."""
    looked_through, after = 0, None
    for _ in range(MOST_PRINTERS // _LISTS_AT_ONCE):
        query = file_queries.storages_of_organization(context.collections, context.tenant, _LISTS_AT_ONCE, after)
        found = context.documents.query(query)
        for document in found:
            if not is_for_caller(context, document.data["recipientId"]):
                continue
            looked_through += len(document.data["files"])
            yield PrinterStorage.of(document)
            if looked_through >= MOST_FILES:
                return
        if len(found) < _LISTS_AT_ONCE:
            return
        after = found[-1].id


def storage_of(context: Context, printer_id: str) -> list[PrinterStorage]:
    """What one printer of the organization holds, if that was ever listed and the caller may see it."""
    document = context.documents.get(storage_path(context, printer_id))
    if document is None or document.data["organizationId"] != context.tenant:
        return []
    return [PrinterStorage.of(document)] if is_for_caller(context, document.data["recipientId"]) else []


def copies(context: Context, organization_id: str, printer_id: str, path: str) -> Sequence[Document]:
    """The stored files that were copied from that path on the printer, the newest first."""
    query = file_queries.copies_of_printer_file(context.collections, organization_id, printer_id, path, MOST_COPIES)
    return sorted(context.documents.query(query), key=lambda each: (each.data["createdAt"], each.id), reverse=True)


def with_agent(context: Context, printer: Printer) -> Recipient:
    """The printer's site. Raises `PrinterOffline` where it has no agent of ours."""
    recipient = context.recipient(printer.recipient_id)
    if not recipient.has_agent:
        raise offline(printer, "No agent is there for it")
    return recipient


def reachable(context: Context, printer: Printer) -> Recipient:
    """The site of a printer that answers. Raises `PrinterOffline` where it, or the site's agent, is silent."""
    recipient = with_agent(context, printer)
    if activity_now(printer.state, context.now()) == "offline":
        raise offline(printer, "It does not answer")
    document = context.documents.get(f"{context.collections.recipients}/{recipient.id}")
    heard = Site.of(document).last_seen_at if document is not None else None
    signs = [heard, printer.state.received_at if printer.state else None]
    if heard is not None and context.now() - max(each for each in signs if each is not None) > HEARD_OF:
        raise offline(printer, "The agent at its site does not answer")
    return recipient


def offline(printer: Printer, why: str) -> PrinterOffline:
    """The error for a printer that cannot be reached."""
    shown, state = printer.chosen_id or printer.printer_id, printer.state
    message = f"Printer {shown} is currently offline: {why[0].lower()}{why[1:]}"
    return PrinterOffline(message, printer_id=shown, last_seen=state.received_at if state else None)


def is_for_caller(context: Context, recipient_id: str) -> bool:
    """Whether the caller's key is for that site of its organization."""
    try:
        context.recipient(recipient_id)
    except (NotFound, Forbidden):
        return False
    return True


def storage_path(context: Context, printer_id: str) -> str:
    """Where a printer's last list is stored."""
    return f"{context.collections.printer_storages}/{printer_id}"


def _waiting_test(context: Context, printer: Printer) -> Command | None:
    if printer.contact is None or printer.contact.command_id is None or printer.contact.status != "testing":
        return None
    document = context.documents.get(commands.path(context, printer.contact.command_id))
    command = Command.of(document) if document is not None else None
    if command is None or command.status != CommandStatus.PENDING:
        return None  # what is under way already may know the printer by an earlier address
    return command if _waits(context, command) else None


def _waits(context: Context, command: Command) -> bool:
    overdue = command.status == CommandStatus.PENDING and command.expires_at <= context.now()
    return command.status in _WAITS and not overdue


def _stored(context: Context, file_id: str) -> Located | None:
    document = context.documents.get(files.path(context, file_id))
    if document is None or document.data["organizationId"] != context.tenant:
        return None
    stored = StoredPrintFile.of(document)
    if stored.deleted_at is not None or not is_for_caller(context, stored.recipient_id):
        return None
    return Located(stored=stored)


def _of_printers(context: Context, file_id: str, *, search: bool) -> Located | None:
    """A file that is or was on a printer: its downloads tell on which; else all lists are searched, if that is wanted.

    A file's id is a digest of its printer and its path, and tells neither.
    """
    query = file_queries.newest_transfers(
        context.collections, context.tenant, ("printerFileId", file_id), "fetch", _MOST_TRANSFERS
    )
    downloads = context.documents.query(query)
    lists: Iterable[PrinterStorage] = storages(context) if search and not downloads else []
    if downloads:
        lists = storage_of(context, downloads[0].data["printerId"])
    for each in lists:
        for file in each.files:
            if printer_file_id(each.printer_id, file.path) == file_id:
                return _on_printer(context, each.printer_id, file) or _left_behind(context, downloads)
    return _left_behind(context, downloads)


def _on_printer(context: Context, printer_id: str, file: PrinterFile) -> Located | None:
    try:
        printer = Printer.of(printers.own(context, printer_id))
    except (NotFound, Forbidden):
        return None
    made = map(StoredPrintFile.of, copies(context, context.tenant, printer_id, file.path))
    stored = next((each for each in made if is_for_caller(context, each.recipient_id)), None)
    return Located(printer, file, stored)


def _left_behind(context: Context, downloads: Iterable[Document]) -> Located | None:
    """The copy of a file that is on no printer any more."""
    for transfer in downloads:
        if transfer.data["status"] == TransferStatus.COMPLETED.value:
            copy = _stored(context, transfer.data["fileId"])
            if copy is not None:
                return copy
    return None
