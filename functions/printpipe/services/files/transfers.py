"""Files on their way from printers into the cloud, and from there to printers: ordered, and looked after."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from printpipe.domain import ids
from printpipe.domain.command_metadata import Fetch, Send
from printpipe.domain.commands import storage_order
from printpipe.domain.errors import Conflict, NotFound, RateLimited, TooLarge, Unavailable
from printpipe.domain.ids import NO_KEY, Once
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Create, Document, DocumentExists, PreconditionFailed, Update
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command
from printpipe.domain.sizes import UPLOAD_BYTES
from printpipe.domain.tenancy import Recipient
from printpipe.domain.transfers import Transfer, TransferStatus
from printpipe.services.commands import commands, execution
from printpipe.services.context import Context
from printpipe.services.files import storage, storage_results
from printpipe.services.files.storage_results import transfer_path
from printpipe.services.printers import printers
from printpipe.services.store import file_queries, receipts

MOST_ACTIVE = 50
"""Transfers of one organization that are under way or wait."""

SILENCE = timedelta(minutes=10)
"""How long after its lease the agent of a transfer may be silent: it may come back until then."""

_TRIES = 5
_MOST_AT_ONCE = 200
_MOST_IN_A_ROW = 50


@dataclass(frozen=True)
class Worker:
    """The agent that works on a transfer: at which site, by which command, under which lease."""

    recipient_id: str
    command_id: str
    holder: str
    fence: int


def start_fetch(context: Context, file_id: str, once: Once) -> Transfer:
    """Has a printer's file copied into the cloud. While one copy of a file is under way, that is given.

    Raises `NotFound` on `file_id`, `Conflict` where there is nothing to be copied, `TooLarge`, `PrinterOffline`, and
    `RateLimited` where too many copies are under way.
    """
    for _ in range(_TRIES):
        if repeated := _repeated(context, once):
            return repeated
        found = storage.locate(context, file_id)
        if found.printer is None or found.on_printer is None:
            raise Conflict("The file is on no printer: there is nothing to download", field="file_id", detail="local")
        if found.is_current:
            raise Conflict("The file has been downloaded already", field="file_id", detail="downloaded")
        transfer_id, running = _next(context, file_id)
        if running is not None:
            return _joined(context, running, once)
        file = found.on_printer
        if file.size > UPLOAD_BYTES:
            raise TooLarge(f"The file is larger than {UPLOAD_BYTES} bytes", field="file_id")
        recipient = _accept(context, found.printer)
        more = {
            "path": file.path,
            "file_name": file.name,
            "printer_file_id": file_id,
            "bytes_total": file.size,
            "modified_at": file.modified_at,
        }
        transfer = _waiting(context, transfer_id, "fetch", found.printer, more)
        order = Fetch(transferId=transfer_id, path=file.path, fileName=file.name, size=file.size)
        command = commands.for_agent(context, recipient, found.printer, storage_order("fetch_file", order), NO_KEY)
        try:
            return _begun(context, transfer, command, once)
        except DocumentExists:
            continue  # another call has begun it in this moment
    raise Unavailable("The file is being downloaded by others", retry_after=1)


def start_send(context: Context, file_id: str, printer: str, once: Once) -> Transfer:
    """Has a stored file copied to a printer, by any of the printer's names.

    Raises as `start_fetch` does; `NotFound` for the printer too, and `Conflict` where the file is not in the cloud.
    """
    if repeated := _repeated(context, once):
        return repeated
    found = storage.locate(context, file_id)
    if found.stored is None:
        raise Conflict("The file is not in the cloud: download it first", field="file_id", detail="available")
    target = Printer.of(printers.named(context, printer))
    recipient = _accept(context, target)
    stored = found.stored
    more = {"file_name": stored.file_name, "file_id": stored.file_id, "bytes_total": stored.size}
    transfer = _waiting(context, ids.transfer_id(), "send", target, more)
    order = Send(transferId=transfer.transfer_id, fileId=stored.file_id, fileName=stored.file_name)
    command = commands.for_agent(
        context, recipient, target, storage_order("send_file", order), NO_KEY, file_id=stored.file_id
    )
    try:
        return _begun(context, transfer, command, once)
    except DocumentExists:
        first = _repeated(context, once)
        assert first is not None
        return first


def last_fetch(context: Context, file_id: str) -> Transfer:
    """A file's last download, whether it is known as its printer's or as it is stored. Raises `NotFound`."""
    found = last(context, file_id, "fetch")
    if found is None:
        raise NotFound("This file has not been downloaded", field="file_id")
    return found


def last(context: Context, file_id: str, kind: Literal["fetch", "send"] | None = None) -> Transfer | None:
    """A file's last transfer, of one kind or of any, as it stands."""
    of: file_queries.FileOf = ("printerFileId" if storage.is_printers(file_id) else "fileId", file_id)
    query = file_queries.newest_transfers(context.collections, context.tenant, of, kind, 1)
    for document in context.documents.query(query):
        if storage.is_for_caller(context, document.data["recipientId"]):
            return settled(context, document)
    return None


def settled(context: Context, document: Document) -> Transfer:
    """A transfer as it stands: one whose command has ended, or whose agent is gone, ends when it is looked at."""
    transfer = Transfer.of(document)
    if transfer.status.is_over:
        return transfer
    ordered = context.documents.get(commands.path(context, str(transfer.command_id)))
    command = Command.of(ordered) if ordered is not None else None
    now = context.now()
    if ordered is None or command is None:
        _end(context, document, "Its command is gone", "unknown")
    elif command.status == CommandStatus.PENDING:
        if command.expires_at > now:
            return transfer
        execution.expire(context, ordered)
    elif command.status == CommandStatus.PROCESSING:
        if command.lease is None or command.lease.until + SILENCE > now:
            return transfer
        _end(context, document, "The agent has fallen silent", "interrupted")
    else:
        with suppress(PreconditionFailed):
            context.documents.commit(*storage_results.ended(context, command).writes)
    again = context.documents.get(document.path)
    return Transfer.of(again) if again is not None else transfer


def sweep(context: Context) -> None:
    """Ends what nobody looks at any more: transfers that no agent took in time, or whose agent is gone.

    What cannot be done keeps nothing else back. Bounded: what is left over is done the next time.
    """
    query = file_queries.quiet_transfers(context.collections, context.now() - SILENCE, _MOST_AT_ONCE)
    for document in context.documents.query(query):
        try:
            settled(context, document)
        except Exception:
            log_failure("transfer_sweep_failed", transferId=document.id)


def held(context: Context, transfer_id: str, worker: Worker) -> Document:
    """A transfer for the agent that works on it.

    Raises `NotFound` where it is not of the agent's site, `Conflict` where another command, or another lease, is at it.
    """
    recipient = context.recipient(worker.recipient_id)
    document = context.documents.get(transfer_path(context, transfer_id))
    if document is None or document.data["recipientId"] != recipient.id:
        raise NotFound("No such transfer", field="transferId")
    if document.data["commandId"] != worker.command_id:
        raise Conflict("Another command works on this transfer", field="commandId", detail="claimed")
    ordered = context.documents.get(commands.path(context, worker.command_id))
    command = Command.of(ordered) if ordered is not None else None
    lease = command.lease if command is not None and command.status == CommandStatus.PROCESSING else None
    if lease is not None and (lease.holder, lease.fence) != (worker.holder, worker.fence):
        raise Conflict("The command is another agent's, or was handed out again", field="fence", detail="claimed")
    if lease is None and not Transfer.of(document).status.is_over:
        status = command.status.value if command is not None else "unknown"
        raise Conflict("The command is not being carried out", field="commandId", detail=status)
    return document


def _repeated(context: Context, once: Once) -> Transfer | None:
    """What an earlier call with this key has ordered. Raises `Forbidden` where that was at a site not the caller's."""
    found = receipts.find(context, context.tenant, once)
    if found is None:
        return None
    transfer = Transfer.of(found.created)
    context.recipient(transfer.recipient_id)
    return transfer


def _next(context: Context, file_id: str) -> tuple[str, Transfer | None]:
    """The id that a printer's file's next download has, or the one that is under way.

    Each id follows from the last one's: of two calls at once only one can begin it, and whose clock is wrong cannot
    either.
    """
    query = file_queries.newest_transfers(context.collections, context.tenant, ("printerFileId", file_id), "fetch", 1)
    found = context.documents.query(query)
    document = found[0] if found else None
    for _ in range(_MOST_IN_A_ROW):
        if document is not None:
            transfer = settled(context, document)
            if not transfer.status.is_over:
                return transfer.transfer_id, transfer
        named = json.dumps([file_id, document.id if document is not None else None])
        following = f"dl_{hashlib.sha256(named.encode()).hexdigest()[:32]}"
        document = context.documents.get(transfer_path(context, following))
        if document is None:
            return following, None
    raise Unavailable("The file is being downloaded by others", retry_after=1)


def _joined(context: Context, running: Transfer, once: Once) -> Transfer:
    """The transfer for a call that finds it under way, and for its repetition."""
    receipt = receipts.issue(context, context.tenant, once, transfer_path(context, running.transfer_id))
    if receipt:
        try:
            context.documents.commit(*receipt)
        except DocumentExists:
            return _repeated(context, once) or running
    return running


def _accept(context: Context, printer: Printer) -> Recipient:
    """The site of a printer to or from which another file can be moved."""
    recipient = storage.reachable(context, printer)
    query = file_queries.active_transfers(context.collections, context.tenant, MOST_ACTIVE)
    if context.documents.count(query) >= MOST_ACTIVE:
        alive = [each for each in context.documents.query(query) if settled(context, each).active]
        if len(alive) >= MOST_ACTIVE:
            raise RateLimited(f"{MOST_ACTIVE} files are on their way already", retry_after=30)
    return recipient


def _waiting(
    context: Context, transfer_id: str, kind: Literal["fetch", "send"], printer: Printer, more: Mapping[str, Any]
) -> Transfer:
    now = context.now()
    return Transfer(
        transfer_id=transfer_id,
        organization_id=printer.organization_id,
        recipient_id=printer.recipient_id,
        printer_id=printer.printer_id,
        kind=kind,
        status=TransferStatus.WAITING,
        active=True,
        requested_by=context.caller.user_id or context.caller.name,
        created_at=now,
        updated_at=now,
        **more,
    )


def _begun(context: Context, transfer: Transfer, command: Command, once: Once) -> Transfer:
    """Writes the transfer and its command. Raises `DocumentExists` where another call was faster."""
    ordered = transfer.model_copy(update={"command_id": command.command_id})
    path = transfer_path(context, transfer.transfer_id)
    receipt = receipts.issue(context, context.tenant, once, path)
    audited = commands.audited(context, command, "command.queued")
    commands.send(context, command, Create(path, ordered.data()), audited, *receipt)
    log("transfer_ordered", transferId=transfer.transfer_id, kind=transfer.kind, commandId=command.command_id)
    return ordered


def _end(context: Context, document: Document, error: str, code: str) -> None:
    """Ends a transfer as failed, unless it was changed in this moment."""
    fields = storage_results.end_of(context, Transfer.of(document), TransferStatus.FAILED, error=error, error_code=code)
    with suppress(PreconditionFailed):
        context.documents.commit(Update(document.path, fields, document.version))
        log("transfer_failed", transferId=document.id, why=error)
