"""Takes print files in: checked, hashed, stored, each with a held job of the same id."""

import hashlib
import io
import shutil
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from printpipe.domain import fetch_tokens
from printpipe.domain.errors import InvalidInput, NotFound, TooLarge, Unavailable
from printpipe.domain.ids import Once, new_id
from printpipe.domain.lifecycles import JobStatus, file_status
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Create, DocumentExists
from printpipe.domain.ports.files import FileMissing
from printpipe.domain.print_files import REQUEST_BYTES, PrintFile, check_file_name, check_media_type, inspect
from printpipe.domain.records import Job, Plate, StoredPrintFile
from printpipe.domain.tenancy import Recipient
from printpipe.services import audit, jobs, queries, repetition
from printpipe.services.context import Context
from printpipe.services.files import FileTicket, mint, path, secret_place
from printpipe.services.sealing import seal

MAX_METADATA_BYTES = 256 * 1024
_CHUNK = 1024 * 1024
_STORAGE_HOST = "storage.googleapis.com"


@dataclass(frozen=True)
class Purpose:
    """What a print file is for, and what its sender attached to it."""

    recipient_id: str
    product_id: str
    encrypted_data: str | None = None
    unencrypted_data: str | None = None


@dataclass(frozen=True)
class Incoming:
    """A print file as it was sent: the name and media type that the sender gave, and its bytes, seekable."""

    name: str
    media_type: str
    content: BinaryIO


@dataclass(frozen=True)
class _Measured:
    size: int
    sha256: str
    md5: str


def store(context: Context, purpose: Purpose, incoming: Incoming, once: Once) -> FileTicket:
    """Takes a file in: checked, hashed, stored, with a held job of the same id. A repetition gets the first one.

    Raises `InvalidInput` or `TooLarge` for a file that no printer should see; then nothing is stored.
    """
    recipient = context.recipient(purpose.recipient_id)
    measured = _measure(incoming.content)
    once = once.also(measured.sha256)
    return _repeated(context, recipient, once) or _store(context, recipient, purpose, incoming, measured, once)


def _repeated(context: Context, recipient: Recipient, once: Once) -> FileTicket | None:
    document = repetition.find(context, path(context, once.new_id(recipient.organization_id)), once)
    return _first_ticket(context, StoredPrintFile.of(document)) if document else None


def _first_ticket(context: Context, file: StoredPrintFile) -> FileTicket:
    """The file with the token that it was born with, used up as that may be."""
    return FileTicket(file, mint(context, file.file_id, 1, file.fetch_token_expiry), file.fetch_token_expiry)


def _store(
    context: Context, recipient: Recipient, purpose: Purpose, incoming: Incoming, measured: _Measured, once: Once
) -> FileTicket:
    attached = len((purpose.encrypted_data or "").encode()) + len((purpose.unencrypted_data or "").encode())
    if attached > MAX_METADATA_BYTES:
        raise TooLarge(f"encryptedData and unencryptedData exceed {MAX_METADATA_BYTES} bytes", field="encryptedData")
    name = check_file_name(incoming.name)
    media_type = check_media_type(incoming.media_type)
    content = inspect(incoming.content, name)
    file = _record(context, recipient, purpose, name, media_type, measured, content, once)
    _put(context, file, incoming.content, content)
    try:
        context.documents.commit(
            Create(path(context, file.file_id), file.data()),
            Create(jobs.path(context, file.file_id), _held_job(context, file).data()),
            _audit(context, file),
        )
    except Unavailable:  # it may have been written all the same
        raise
    except DocumentExists:
        _discard(context, file)
        first = _repeated(context, recipient, once)
        assert first is not None
        return first
    except Exception:
        _discard(context, file)
        raise
    log("file_stored", fileId=file.file_id, printJobId=file.file_id, size=file.size, kind=file.kind)
    return _first_ticket(context, file)


def store_from_url(context: Context, purpose: Purpose, url: str, once: Once) -> FileTicket:
    """Takes in a file that lies behind a URL, likewise; one in our own bucket is read there, if it is the tenant's."""
    recipient = context.recipient(purpose.recipient_id)
    first = _repeated(context, recipient, once)
    if first is not None:
        return first
    name = _own_object(url, context.platform.files.bucket)
    if name is not None:
        return _store_copy(context, recipient, purpose, name, once)
    with context.platform.remote.fetch(url, REQUEST_BYTES) as remote:
        incoming = Incoming(remote.file_name, remote.content_type, remote.stream)
        return _store(context, recipient, purpose, incoming, _measure(remote.stream), once)


def _own_object(url: str, bucket: str) -> str | None:
    """The object's name where the URL is one of our own bucket, by either of Cloud Storage's forms."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = unquote(parts.path)
    if parts.scheme != "https":
        return None
    if parts.netloc == f"{bucket}.{_STORAGE_HOST}":
        return path.removeprefix("/")
    if parts.netloc == _STORAGE_HOST and path.startswith(f"/{bucket}/"):
        return path.removeprefix(f"/{bucket}/")
    return None


def _store_copy(context: Context, recipient: Recipient, purpose: Purpose, name: str, once: Once) -> FileTicket:
    query = queries.files_of_object(context.collections, recipient.organization_id, name)
    found = context.documents.query(query)
    if not found:
        raise NotFound("No such file in the bucket", field="gcodeUrl")
    original = StoredPrintFile.of(found[0])
    with SpooledTemporaryFile(max_size=_CHUNK) as copy:
        try:
            with context.platform.files.open(original.gcs_path) as source:
                shutil.copyfileobj(source, copy, _CHUNK)
        except FileMissing:
            raise NotFound("No such file in the bucket", field="gcodeUrl") from None
        incoming = Incoming(original.file_name, original.content_type, cast(BinaryIO, copy))
        return _store(context, recipient, purpose, incoming, _measure(incoming.content), once)


def _measure(content: BinaryIO) -> _Measured:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    content.seek(0)
    while chunk := content.read(_CHUNK):
        size += len(chunk)
        if size > REQUEST_BYTES:
            raise TooLarge(f"The file is larger than {REQUEST_BYTES} bytes", field="file")
        sha256.update(chunk)
        md5.update(chunk)
    if size == 0:
        raise InvalidInput("The file is empty", field="file")
    content.seek(0)
    return _Measured(size, sha256.hexdigest(), md5.hexdigest())


def _record(
    context: Context,
    recipient: Recipient,
    purpose: Purpose,
    name: str,
    media_type: str,
    measured: _Measured,
    content: PrintFile,
    once: Once,
) -> StoredPrintFile:
    file_id, now = once.new_id(recipient.organization_id), context.now()
    expires = fetch_tokens.expiry(now, context.policy.fetch_token_lifetime)
    sealed = None
    if purpose.encrypted_data is not None:
        sealed = seal(
            context.platform.keys, purpose.encrypted_data.encode(), secret_place(recipient.organization_id, file_id)
        )
    folder = f"files/{new_id()}"
    return StoredPrintFile(
        file_id=file_id,
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        product_id=purpose.product_id,
        file_name=name,
        status=file_status(JobStatus.HELD),
        gcs_bucket=context.platform.files.bucket,
        gcs_path=f"{folder}/print.{content.kind}",
        content_type=media_type,
        size=measured.size,
        sha256=measured.sha256,
        md5=measured.md5,
        fetch_token=fetch_tokens.digest(mint(context, file_id, 1, expires)),
        fetch_token_expiry=expires,
        newest_job_id=file_id,
        encrypted_data=sealed,
        unencrypted_data=purpose.unencrypted_data,
        kind=content.kind,
        slicer=f"{content.slicer.name} {content.slicer.version or ''}".strip() if content.slicer else None,
        plates=tuple(
            Plate.model_validate(
                {
                    **plate.model_dump(),
                    "thumbnail_path": f"{folder}/plate_{plate.index}.png" if plate.thumbnail else None,
                }
            )
            for plate in content.plates
        ),
        created_at=now,
        request_digest=once.mark,
    )


def _audit(context: Context, file: StoredPrintFile) -> Create:
    return audit.entry(
        context,
        "file.uploaded",
        file.organization_id,
        subject=file.file_id,
        recipient_id=file.recipient_id,
        detail=file.file_name,
    )


def _held_job(context: Context, file: StoredPrintFile) -> Job:
    return jobs.new(context, file).model_copy(update={"job_id": file.file_id})


def _put(context: Context, file: StoredPrintFile, source: BinaryIO, content: PrintFile) -> None:
    source.seek(0)
    try:
        context.platform.files.put(file.gcs_path, source, file.content_type)
        for stored, plate in zip(file.plates, content.plates, strict=True):
            if stored.thumbnail_path and plate.thumbnail:
                context.platform.files.put(stored.thumbnail_path, io.BytesIO(plate.thumbnail), "image/png")
    except Unavailable:  # nor would the clean-up get through
        raise
    except Exception:
        _discard(context, file)
        raise


def _discard(context: Context, file: StoredPrintFile) -> None:
    try:
        for name in (file.gcs_path, *(plate.thumbnail_path for plate in file.plates if plate.thumbnail_path)):
            context.platform.files.delete(name)
    except Exception:
        log_failure("file_discard_failed", fileId=file.file_id, path=file.gcs_path)
