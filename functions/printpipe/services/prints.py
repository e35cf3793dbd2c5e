"""From a file to a print: a job that is to start at once, at a printer that the caller names."""

from dataclasses import dataclass
from typing import Any

from printpipe.domain.commands import parse_order
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import Once
from printpipe.domain.records import Command, StoredPrintFile
from printpipe.services import commands, files, jobs, uploads
from printpipe.services.commands import Target
from printpipe.services.context import Context
from printpipe.services.uploads import Purpose


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
    first = commands.repeated(context, recipient, once)
    if first is not None and first.file_id is not None:
        return first, jobs.of_file(context, recipient, first.file_id)[1]
    job, file = jobs.of_file(context, recipient, _file_id(context, wish, once))
    if wish.plate_index is not None and wish.plate_index not in {plate.index for plate in file.plates}:
        raise InvalidInput("The file has no such plate", field="jobMetadata.plateIndex")
    metadata: dict[str, Any] = {"fileName": file.file_name, "fileId": file.file_id}
    if wish.plate_index is not None:
        metadata["plateIndex"] = wish.plate_index
    draft = commands.draft(context, recipient, wish.target, parse_order("start_print", metadata), once)
    return commands.start(context, job, draft), file


def _file_id(context: Context, wish: Requisition, once: Once) -> str:
    if wish.file_id:
        return wish.file_id
    if wish.gcode_url:
        purpose = Purpose(wish.recipient_id, wish.product_id)
        return uploads.store_from_url(context, purpose, wish.gcode_url, once).file.file_id
    return files.newest(context, context.recipient(wish.recipient_id), wish.product_id).file_id
