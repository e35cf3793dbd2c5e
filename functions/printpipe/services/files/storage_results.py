"""What the end of a storage command means: for what is known of its printer, or for the transfer that it made."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import printer_file_id
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.ports.documents import Put, Update
from printpipe.domain.printer_records import Contact, Printer
from printpipe.domain.printer_status import without_secrets
from printpipe.domain.records import Command
from printpipe.domain.transfers import PrinterFile, PrinterStorage, Transfer, TransferStatus
from printpipe.domain.values import FileName, Name
from printpipe.services.context import Context
from printpipe.services.jobs.steps import NO_STEP, Step
from printpipe.services.printers import printers

MOST_FILES = 2000
"""Of one printer, in its list."""

LONGEST_PATH = 1000
"""Bytes: as much of a text as the store's index holds is 1,500."""

_MOST_BYTES = 850_000
"""Of a list as it is stored, estimated; a document holds 1 MiB."""
_BYTES_BESIDE = 80
"""Of a file's entry, besides its path and name: the fields' names, two numbers and what the store adds."""

PRINT_FILES = frozenset({".3mf", ".gcode", ".gco", ".bgcode", ".stl"})
"""How the names of files end that printers print, or that become such."""

_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_FILE_NAME: TypeAdapter[str] = TypeAdapter(FileName)


@dataclass(frozen=True)
class Listing:
    """What the agent found on a printer; `truncated`: there is more."""

    files: Sequence[PrinterFile]
    truncated: bool


@dataclass(frozen=True)
class Findings:
    """What an executor has found out besides whether the command worked; `listing` of `list_files`, which has one."""

    values: Mapping[str, Any] | None = None
    listing: Listing | None = None

    def data(self) -> dict[str, Any]:
        """As it is kept beside the command: of a list, how long it is."""
        if self.listing is not None:
            return {"files": len(self.listing.files), "truncated": self.listing.truncated}
        return without_secrets(self.values or {})


NOTHING = Findings()


def ended(context: Context, command: Command, found: Findings = NOTHING) -> Step:
    """The step that goes with the end of a storage command. Raises `InvalidInput` for a list without files."""
    match command.type:
        case "test_connection":
            return _tested(context, command, found)
        case "list_files":
            return _listed(context, command, found.listing)
    return _moved(context, command, found.values or {})


def transfer_path(context: Context, transfer_id: str) -> str:
    """Where a transfer is stored."""
    return f"{context.collections.transfers}/{transfer_id}"


def end_of(context: Context, transfer: Transfer, status: TransferStatus, **more: Any) -> dict[str, Any]:
    """The fields of a transfer that change as it ends; `more` are the record's."""
    now = context.now()
    changes = {"status": status, "active": False, "ended_at": now, "updated_at": now, **more}
    return transfer.model_copy(update=changes).fields(changes)


def _tested(context: Context, command: Command, found: Findings) -> Step:
    document = context.documents.get(printers.path(context, str(command.printer_id)))
    printer = Printer.of(document) if document else None
    if document is None or printer is None or not printer.contact or printer.contact.command_id != command.command_id:
        return NO_STEP  # another test has been ordered since
    connected = command.status == CommandStatus.COMPLETED
    contact = Contact(
        status="connected" if connected else "failed",
        command_id=command.command_id,
        tested_at=context.now(),
        reason=None if connected else _reason(command, found.values or {})[0],
    )
    changes: dict[str, Any] = {"contact": contact}
    if connected:
        values = found.values or {}
        learned = {"firmware_version": _name(values, "firmwareVersion"), "model": _name(values, "model")}
        changes |= {name: text for name, text in learned.items() if text}
        if printer.model:
            changes.pop("model", None)
    fields = printer.model_copy(update=changes).fields(changes)
    shown = {"printerId": printer.printer_id, "contact": contact.status, "why": contact.reason}
    return Step([Update(document.path, fields, document.version)], "printer_tested", shown)


def _listed(context: Context, command: Command, listing: Listing | None) -> Step:
    if command.status != CommandStatus.COMPLETED or command.printer_id is None:
        return NO_STEP
    if listing is None:
        raise InvalidInput("result: the list of files is missing, or is none", field="result")
    files = _kept(listing.files)
    storage = PrinterStorage(
        printer_id=command.printer_id,
        organization_id=command.organization_id,
        recipient_id=command.recipient_id,
        files=files,
        truncated=listing.truncated or len(files) < len(listing.files),
        command_id=command.command_id,
        listed_at=context.now(),
    )
    path = f"{context.collections.printer_storages}/{command.printer_id}"
    return Step([Put(path, storage.data())], "storage_listed", {"printerId": command.printer_id, "files": len(files)})


def _kept(files: Sequence[PrinterFile]) -> tuple[PrinterFile, ...]:
    """The print files that can be shown: each path once, plainly named, and as many as a document holds."""
    kept: dict[str, PrinterFile] = {}
    room = _MOST_BYTES
    for file in files[:MOST_FILES]:
        if file.path in kept or not _is_plain(file):
            continue
        room -= len(file.path.encode()) + len(file.name.encode()) + _BYTES_BESIDE
        if room < 0:
            break
        kept[file.path] = file
    return tuple(kept.values())


def _is_plain(file: PrinterFile) -> bool:
    if not _is_path(file.path) or _checked(_FILE_NAME, file.name) is None:
        return False
    return PurePosixPath(file.name).suffix.lower() in PRINT_FILES


def _is_path(value: object) -> bool:
    if not isinstance(value, str) or not value.strip() or len(value.encode()) > LONGEST_PATH:
        return False
    return all(unicodedata.category(letter) not in _CONTROLS for letter in value)


def _moved(context: Context, command: Command, values: Mapping[str, Any]) -> Step:
    document = context.documents.get(transfer_path(context, str(command.metadata.get("transferId"))))
    transfer = Transfer.of(document) if document else None
    if document is None or transfer is None or transfer.status.is_over or transfer.command_id != command.command_id:
        return NO_STEP
    status, more = _outcome(command, transfer, values)
    fields = end_of(context, transfer, status, **more)
    shown = {"transferId": transfer.transfer_id, "commandId": command.command_id, "why": more.get("error")}
    return Step([Update(document.path, fields, document.version)], f"transfer_{status}", shown)


def _outcome(
    command: Command, transfer: Transfer, values: Mapping[str, Any]
) -> tuple[TransferStatus, Mapping[str, Any]]:
    if command.status == CommandStatus.COMPLETED and transfer.kind == "send":
        path, total = values.get("path"), transfer.bytes_total
        landed: Mapping[str, Any] = {}
        if _is_path(path):
            landed = {"path": path, "printer_file_id": printer_file_id(transfer.printer_id, str(path))}
        return TransferStatus.COMPLETED, {"bytes_done": total or transfer.bytes_done, **landed}
    if command.status == CommandStatus.COMPLETED:  # what a fetch brings completes it before its command ends
        return TransferStatus.FAILED, {"error": "The agent was done, but the file did not come", "error_code": "cloud"}
    error, code = _reason(command, values)
    status = TransferStatus.CANCELLED if command.status == CommandStatus.CANCELLED else TransferStatus.FAILED
    return status, {"error": error, "error_code": code}


def _reason(command: Command, values: Mapping[str, Any]) -> tuple[str, str]:
    """Why a command did not work: for people, and as a code."""
    if command.status == CommandStatus.EXPIRED:
        return "The agent did not take it in time", "expired"
    if command.status == CommandStatus.CANCELLED:
        return "It was cancelled", "cancelled"
    code = _name(values, "errorCode") or "unknown"
    return command.error_message or command.message or f"The agent says: {code}", code


def _name(values: Mapping[str, Any], field: str) -> str | None:
    """A short text among the values; None where it is none."""
    return _checked(_NAME, values.get(field))


def _checked(kind: TypeAdapter[str], value: object) -> str | None:
    try:
        return kind.validate_python(value, strict=True)
    except ValidationError:
        return None
