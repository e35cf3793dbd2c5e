"""The end of a download's way: the agent puts the file into the bucket, where it is verified and becomes a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from printpipe.domain import fetch_tokens
from printpipe.domain.errors import Conflict, InvalidInput, TooLarge, Unavailable
from printpipe.domain.file_records import Intake, Origin, StoredPrintFile
from printpipe.domain.ids import new_id
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Document, PreconditionFailed, Update
from printpipe.domain.ports.files import FileMissing
from printpipe.domain.print_files import PrintFile, inspect
from printpipe.domain.sizes import UPLOAD_BYTES
from printpipe.domain.transfers import STORED, Transfer, TransferStatus
from printpipe.services.context import Context
from printpipe.services.files import files, storage, storage_results, tickets, transfers, uploads
from printpipe.services.files.transfers import Worker
from printpipe.services.files.uploads import Measured
from printpipe.services.store import audit, file_queries

_TRIES = 5
_MOST_JOBS = 100
_MOST_LEFTOVERS = 5
_MEDIA_TYPES = {".3mf": "model/3mf", ".stl": "model/stl"}
_INSPECTED = frozenset({".3mf", ".gcode", ".gco"})


@dataclass(frozen=True)
class Sums:
    """What a file's bytes must be: how many, with which sums in lower hex."""

    size: int
    sha256: str
    md5: str | None = None


@dataclass(frozen=True)
class Opening:
    """A URL to which exactly the announced bytes can be put, with these headers, until then."""

    url: str
    content_type: str
    expires_at: datetime


def open_way(context: Context, transfer_id: str, worker: Worker, announced: Sums) -> Opening:
    """A fresh URL for a download's bytes; what was put to an earlier one is no more.

    Raises as `transfers.held` does, `Conflict` too where the transfer has ended or is no download, and `TooLarge`.
    """
    if announced.size > UPLOAD_BYTES:
        raise TooLarge(f"The file is larger than {UPLOAD_BYTES} bytes", field="size")
    for _ in range(_TRIES):
        document = transfers.held(context, transfer_id, worker)
        transfer = Transfer.of(document)
        if transfer.status.is_over:
            discard_leftover(context, transfer)
            raise Conflict(f"The transfer is {transfer.status} already", detail=transfer.status.value)
        if transfer.kind != "fetch":
            raise Conflict("This transfer goes to the printer", detail=transfer.kind)
        suffix = _suffix(transfer)
        content_type, now = _MEDIA_TYPES.get(suffix, "application/octet-stream"), context.now()
        changes: dict[str, Any] = {
            "status": TransferStatus.UPLOADING,
            "object_name": f"files/{new_id()}/print{suffix}",
            "sha256": announced.sha256,
            "md5": announced.md5,
            "started_at": transfer.started_at or now,
            "updated_at": now,
        }
        begun = transfer.model_copy(update=changes)
        lifetime = context.policy.upload_lifetime
        url = context.platform.files.sign_upload(str(begun.object_name), announced.size, content_type, lifetime)
        try:
            context.documents.commit(Update(document.path, begun.fields(changes), document.version))
        except PreconditionFailed:
            continue
        if transfer.object_name is not None:
            files.discard(context, [transfer.object_name])
        else:
            _discard_of_earlier(context, transfer)
        return Opening(url, content_type, now + lifetime)
    raise Unavailable("The transfer is being changed by others", retry_after=1)


def finish(context: Context, document: Document, told: Sums | None) -> Transfer:
    """Verifies what was put into the bucket and makes it a file, in place of an older copy of the printer's file.

    Raises `Conflict` where nothing was put there, `InvalidInput` where it is something else than was told.
    """
    transfer = Transfer.of(document)
    if transfer.kind != "fetch":
        raise InvalidInput("A file that goes to a printer arrives with its command's result", field="state")
    if told is None:
        raise InvalidInput("Tell the file's size and sha256", field="sha256")
    measured, content = _verified(context, transfer, told)
    return _completed(context, document, _made(context, transfer, measured, content))


def discard_leftover(context: Context, transfer: Transfer) -> None:
    """Removes what was put into the bucket for a transfer of which nothing became."""
    if transfer.object_name is None or transfer.kind != "fetch" or transfer.status == TransferStatus.COMPLETED:
        return
    path = storage_results.transfer_path(context, transfer.transfer_id)
    files.discard(context, [transfer.object_name])
    context.documents.commit(Update(path, {"objectName": None}))


def _discard_of_earlier(context: Context, transfer: Transfer) -> None:
    """Likewise for the earlier downloads of the same file: their agents may not have come back."""
    of: file_queries.FileOf = ("printerFileId", str(transfer.printer_file_id))
    query = file_queries.newest_transfers(context.collections, transfer.organization_id, of, "fetch", _MOST_LEFTOVERS)
    for each in map(Transfer.of, context.documents.query(query)):
        if each.status.is_over:
            discard_leftover(context, each)


def _verified(context: Context, transfer: Transfer, told: Sums) -> tuple[Measured, PrintFile | None]:
    name = transfer.object_name
    try:
        stored = context.platform.files.stat(name) if name is not None else None
        if name is None or stored is None:
            raise FileMissing(str(name))
        if stored.size != told.size:
            raise InvalidInput(f"The file has {stored.size} bytes, not the {told.size} that were told", field="size")
        with context.platform.files.open(name) as stream:
            measured = uploads.measure(stream, UPLOAD_BYTES)
            uploads.check_sums(measured, told.sha256, told.md5)
            return measured, _inspected(stream, transfer)
    except FileMissing:
        raise Conflict("The file has not come: PUT it to the uploadUrl first", detail="uploading") from None


def _inspected(stream: BinaryIO, transfer: Transfer) -> PrintFile | None:
    """What the file says of itself; None where it is no print file that we read: it may be one for its printer."""
    if _suffix(transfer) not in _INSPECTED:
        return None
    try:
        return inspect(stream, transfer.file_name)
    except (InvalidInput, TooLarge) as refusal:
        log("file_not_inspected", transferId=transfer.transfer_id, why=refusal.message)
        return None


def _made(context: Context, transfer: Transfer, measured: Measured, content: PrintFile | None) -> StoredPrintFile:
    """The file as it is stored; of a product of its own, which is the file on the printer."""
    now, name = context.now(), str(transfer.object_name)
    intake = Intake(
        file_id=new_id(),
        organization_id=transfer.organization_id,
        recipient_id=transfer.recipient_id,
        product_id=str(transfer.printer_file_id),
        file_name=transfer.file_name,
        gcs_bucket=context.platform.files.bucket,
        gcs_path=name,
        content_type=_MEDIA_TYPES.get(_suffix(transfer), "application/octet-stream"),
        created_at=now,
        traceparent=context.traceparent,
    )
    origin = Origin(
        printer_id=transfer.printer_id,
        path=str(transfer.path),
        size=measured.size,
        modified_at=transfer.modified_at,
    )
    expires = fetch_tokens.expiry(now, context.policy.fetch_token_lifetime)
    unread = StoredPrintFile(
        **{field: getattr(intake, field) for field in Intake.model_fields},
        status=STORED,
        size=measured.size,
        sha256=measured.sha256,
        md5=measured.md5,
        fetch_token=fetch_tokens.digest(tickets.mint(context, intake.file_id, 1, expires)),
        fetch_token_expiry=expires,
        kind=_suffix(transfer).removeprefix("."),
        origin=origin,
        accessed_at=now,
    )
    if content is None:
        return unread
    read = uploads.finished(context, intake, measured, content)
    told_by_content = ("kind", "slicer", "plates", "settings")
    return unread.model_copy(update={name: getattr(read, name) for name in told_by_content})


def _completed(context: Context, document: Document, file: StoredPrintFile) -> Transfer:
    """Writes the file, the transfer's end and the older copies' in one batch; what another call was faster with."""
    for _ in range(_TRIES):
        transfer = Transfer.of(document)
        older = _older(context, transfer)
        changes = {
            "file_id": file.file_id,
            "bytes_done": file.size,
            "bytes_total": file.size,
            "sha256": file.sha256,
            "md5": file.md5,
            "started_at": transfer.started_at or context.now(),
        }
        fields = storage_results.end_of(context, transfer, TransferStatus.COMPLETED, **changes)
        try:
            context.documents.commit(
                Create(files.path(context, file.file_id), file.data()),
                Update(document.path, fields, document.version),
                *[Update(each.path, {"deletedAt": context.now()}, each.version) for each in older],
                _audit(context, transfer, file),
            )
        except PreconditionFailed:
            again = context.documents.get(document.path)
            assert again is not None
            document, now = again, Transfer.of(again)
            if now.status == TransferStatus.COMPLETED:
                return now
            if now.status.is_over or now.object_name != file.gcs_path:
                raise Conflict("The file is wanted no more, or comes again", detail=now.status.value) from None
            continue
        log("transfer_completed", transferId=transfer.transfer_id, fileId=file.file_id, size=file.size)
        _discard_copies(context, older)
        return Transfer.model_validate({**document.data, **fields})
    raise Unavailable("The transfer is being changed by others", retry_after=1)


def _older(context: Context, transfer: Transfer) -> list[Document]:
    """The copies of the same file on the printer that no job needs."""
    found = storage.copies(context, transfer.organization_id, transfer.printer_id, str(transfer.path))
    return [each for each in found if not _is_needed(context, each)]


def _is_needed(context: Context, file: Document) -> bool:
    if file.data.get("newestJobId") is None:
        return False
    query = file_queries.jobs_of_file(context.collections, file.data["organizationId"], file.id, _MOST_JOBS)
    return any(JOBS[JobStatus(each.data["status"])] for each in context.documents.query(query))


def _discard_copies(context: Context, older: Sequence[Document]) -> None:
    for each in map(StoredPrintFile.of, older):
        files.discard(context, [each.gcs_path, *files.pictures(each)])
        log("file_replaced", fileId=each.file_id)


def _audit(context: Context, transfer: Transfer, file: StoredPrintFile) -> Create:
    return audit.entry(
        context,
        "file.downloaded",
        transfer.organization_id,
        subject=file.file_id,
        recipient_id=transfer.recipient_id,
        printer=transfer.printer_id,
        detail=file.file_name,
    )


def _suffix(transfer: Transfer) -> str:
    return PurePosixPath(transfer.file_name).suffix.lower()
