"""From a file to a print: a job that is to start at once, at a printer that the caller names."""

from dataclasses import dataclass
from typing import Any

from printpipe.domain.commands import parse_order
from printpipe.domain.errors import Conflict, InvalidInput, RateLimited
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ids import Once
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services.commands import commands
from printpipe.services.commands.commands import Target
from printpipe.services.context import Context
from printpipe.services.files import files, uploads
from printpipe.services.files.uploads import Purpose
from printpipe.services.jobs import starts


@dataclass(frozen=True)
class Requisition:
    """A wish for a print; the file is `file_id`, else what lies behind `gcode_url`, else the product's newest."""

    recipient_id: str
    target: Target
    product_id: str
    file_id: str | None
    gcode_url: str | None
    plate_index: int | None


def create(context: Context, wish: Requisition, once: Once) -> tuple[Command, StoredPrintFile]:
    """Makes the file's held job, or another one of it, a queued one, and orders its start; a repetition does not."""
    recipient = context.recipient(wish.recipient_id)
    try:
        return _repeated(context, recipient, once) or _create(context, recipient, wish, once)
    except (Conflict, RateLimited):  # the same call may have been faster
        if first := _repeated(context, recipient, once):
            return first
        raise


def _repeated(context: Context, recipient: Recipient, once: Once) -> tuple[Command, StoredPrintFile] | None:
    first = commands.repeated(context, recipient, once)
    if first is None or first.file_id is None:
        return None
    return first, starts.of_file(context, recipient, first.file_id)[1]


def _create(context: Context, recipient: Recipient, wish: Requisition, once: Once) -> tuple[Command, StoredPrintFile]:
    file_id, is_new = _file_id(context, recipient, wish, once)
    try:
        return _start(context, recipient, wish, file_id, once)
    except (InvalidInput, RateLimited):
        if is_new:  # nobody asked to keep it
            uploads.withdraw(context, file_id)
        raise


def _start(
    context: Context, recipient: Recipient, wish: Requisition, file_id: str, once: Once
) -> tuple[Command, StoredPrintFile]:
    job, file = starts.of_file(context, recipient, file_id)
    if wish.plate_index is not None and wish.plate_index not in {plate.index for plate in file.plates}:
        raise InvalidInput("The file has no such plate", field="jobMetadata.plateIndex")
    note = {"printJobId": job.record.job_id, "productId": file.product_id}  # by which a LAN client shakes hands
    metadata: dict[str, Any] = {"fileName": file.file_name, "fileId": file.file_id, "unencryptedData": note}
    if wish.plate_index is not None:
        metadata["plateIndex"] = wish.plate_index
    order = parse_order("start_print", metadata, context.policy.extra_gcode)
    draft = commands.draft(context, recipient, wish.target, order, once)
    return commands.start(context, job, draft, once), file


def _file_id(context: Context, recipient: Recipient, wish: Requisition, once: Once) -> tuple[str, bool]:
    """The file to print, and whether it was taken in for this."""
    if wish.file_id:
        return wish.file_id, False
    if not wish.gcode_url:
        return files.newest(context, recipient, wish.product_id).file_id, False
    known = uploads.own_file(context, recipient, wish.gcode_url)
    if known is not None and known.recipient_id == recipient.id:
        return known.file_id, False
    context.require("files.write")
    purpose = Purpose(wish.recipient_id, wish.product_id)
    return uploads.store_from_url(context, purpose, wish.gcode_url, once).file.file_id, True
