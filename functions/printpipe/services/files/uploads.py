"""Takes print files in: checked, hashed, stored, each with a held job of the same id."""

import hashlib
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from printpipe.domain import fetch_tokens
from printpipe.domain.errors import InvalidInput, NotFound, TooLarge, Unavailable
from printpipe.domain.file_records import Intake, Plate, PrintSettings, StoredPrintFile
from printpipe.domain.ids import Once, new_id
from printpipe.domain.lifecycles import JobStatus, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Delete, DocumentExists, PreconditionFailed
from printpipe.domain.ports.files import FileMissing
from printpipe.domain.print_files import (
    PrintFile,
    check_file_name,
    check_media_type,
    inspect,
    kind_of,
)
from printpipe.domain.sizes import REQUEST_BYTES, UPLOAD_BYTES
from printpipe.domain.tenancy import Recipient
from printpipe.services.access.sealing import seal
from printpipe.services.context import Context
from printpipe.services.files import files
from printpipe.services.files.files import FileTicket, path, secret_place
from printpipe.services.files.tickets import mint
from printpipe.services.jobs import jobs
from printpipe.services.store import audit, queries, repetition

MAX_METADATA_BYTES = 256 * 1024
_CHUNK = 1024 * 1024
_TRIES = 5
_STORAGE_HOST = "storage.googleapis.com"
_LARGER = "a larger file is uploaded in parts: POST /upload with its size instead of its bytes"


@dataclass(frozen=True)
class Purpose:
    """What a print file is for, and what its sender attached to it. The sums are what it must have, in lower hex."""

    recipient_id: str
    product_id: str
    encrypted_data: str | None = None
    unencrypted_data: str | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Incoming:
    """A print file as it was sent: the name and media type that the sender gave, and its bytes, seekable."""

    name: str
    media_type: str
    content: BinaryIO


@dataclass(frozen=True)
class Measured:
    """What a file's bytes say: how many, and their sums in lower hex."""

    size: int
    sha256: str
    md5: str


def store(context: Context, purpose: Purpose, incoming: Incoming, once: Once) -> FileTicket:
    """Takes a file in: checked, hashed, stored, with a held job of the same id. A repetition gets the first one.

    Raises `InvalidInput` or `TooLarge` for a file that no printer should see; then nothing is stored.
    """
    recipient = context.recipient(purpose.recipient_id)
    measured = measure(incoming.content)
    once = once.also(measured.sha256)
    return _repeated(context, recipient, once) or _store(context, recipient, purpose, incoming, measured, once)


def store_from_url(context: Context, purpose: Purpose, url: str, once: Once) -> FileTicket:
    """Takes in a file that lies behind a URL, likewise; one in our own bucket is read there, if it is the tenant's."""
    recipient = context.recipient(purpose.recipient_id)
    first = _repeated(context, recipient, once)
    if first is not None:
        return first
    original = own_file(context, recipient, url)
    if original is not None:
        return _store_copy(context, recipient, purpose, original, once)
    with context.platform.remote.fetch(url, REQUEST_BYTES) as remote:
        incoming = Incoming(remote.file_name, remote.content_type, remote.stream)
        return _store(context, recipient, purpose, incoming, measure(remote.stream), once)


def measure(content: BinaryIO, limit: int = REQUEST_BYTES) -> Measured:
    """Reads a file to its end, and goes back to its start. Raises `TooLarge` beyond `limit` bytes."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    content.seek(0)
    while chunk := content.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The file is larger than {limit} bytes; {_LARGER}", field="file")
        sha256.update(chunk)
        md5.update(chunk)
    if size == 0:
        raise InvalidInput("The file is empty", field="file")
    content.seek(0)
    return Measured(size, sha256.hexdigest(), md5.hexdigest())


def check_sums(measured: Measured, sha256: str | None, md5: str | None) -> None:
    """Raises `InvalidInput` where the bytes have other sums than they must have."""
    if sha256 not in (None, measured.sha256):
        raise InvalidInput(f"The file's SHA-256 is {measured.sha256}, not the one that was told", field="sha256")
    if md5 not in (None, measured.md5):
        raise InvalidInput(f"The file's MD5 is {measured.md5}, not the one that was told", field="md5")


def accept(context: Context, recipient: Recipient, purpose: Purpose, name: str, media_type: str, once: Once) -> Intake:
    """Settles what a file is to be stored as. Raises `InvalidInput` or `TooLarge` for what cannot be."""
    attached = len((purpose.encrypted_data or "").encode()) + len((purpose.unencrypted_data or "").encode())
    if attached > MAX_METADATA_BYTES:
        raise TooLarge(f"encryptedData and unencryptedData exceed {MAX_METADATA_BYTES} bytes", field="encryptedData")
    name = check_file_name(name)
    media_type = check_media_type(media_type)
    file_id = once.new_id(recipient.organization_id)
    return Intake(
        file_id=file_id,
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        product_id=purpose.product_id,
        file_name=name,
        gcs_bucket=context.platform.files.bucket,
        gcs_path=f"files/{new_id()}/print.{kind_of(name)}",
        content_type=media_type,
        encrypted_data=_sealed(context, purpose, secret_place(recipient.organization_id, file_id)),
        unencrypted_data=purpose.unencrypted_data,
        created_at=context.now(),
        traceparent=context.traceparent,
    )


def finished(context: Context, intake: Intake, measured: Measured, content: PrintFile) -> StoredPrintFile:
    """The file as it is stored, its bytes having been looked at; its pictures are put beside it once it is read."""
    now = context.now()
    expires = fetch_tokens.expiry(now, context.policy.fetch_token_lifetime)
    folder = intake.gcs_path.rpartition("/")[0]
    settled: dict[str, Any] = {name: getattr(intake, name) for name in Intake.model_fields}
    return StoredPrintFile(
        **{**settled, "created_at": now},
        status=file_status(JobStatus.HELD),
        size=measured.size,
        sha256=measured.sha256,
        md5=measured.md5,
        fetch_token=fetch_tokens.digest(mint(context, intake.file_id, 1, expires)),
        fetch_token_expiry=expires,
        newest_job_id=intake.file_id,
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
        settings=PrintSettings.model_validate(content.settings.model_dump()) if content.settings else None,
    )


def creations(context: Context, file: StoredPrintFile) -> list[Create]:
    """The writes that make a file known: the file, its held job, the record of who sent it."""
    job = jobs.new(context, file).model_copy(update={"job_id": file.file_id})
    record = audit.entry(
        context,
        "file.uploaded",
        file.organization_id,
        subject=file.file_id,
        recipient_id=file.recipient_id,
        detail=file.file_name,
    )
    return [
        Create(path(context, file.file_id), file.data()),
        *jobs.creation(context, job),
        record,
    ]


def first_ticket(context: Context, file: StoredPrintFile) -> FileTicket:
    """The file with the token that it was born with, used up as that may be."""
    return FileTicket(file, mint(context, file.file_id, 1, file.fetch_token_expiry), file.fetch_token_expiry)


def note_stored(file: StoredPrintFile) -> None:
    """Logs that a file was taken in."""
    log("file_stored", fileId=file.file_id, printJobId=file.file_id, size=file.size, kind=file.kind)


def upload_path(context: Context, file_id: str) -> str:
    """Where a file is noted that its sender puts into the bucket itself."""
    return f"{context.collections.uploads}/{file_id}"


def _repeated(context: Context, recipient: Recipient, once: Once) -> FileTicket | None:
    file_id = once.new_id(recipient.organization_id)
    document = repetition.find(context, path(context, file_id), once, upload_path(context, file_id))
    return first_ticket(context, StoredPrintFile.of(document)) if document else None


def _store(
    context: Context, recipient: Recipient, purpose: Purpose, incoming: Incoming, measured: Measured, once: Once
) -> FileTicket:
    check_sums(measured, purpose.sha256, purpose.md5)
    intake = accept(context, recipient, purpose, incoming.name, incoming.media_type, once)
    content = inspect(incoming.content, intake.file_name)
    file = finished(context, intake, measured, content)
    incoming.content.seek(0)
    try:
        context.platform.files.put(file.gcs_path, incoming.content, file.content_type)
        mark = repetition.mark(context, file.organization_id, once, path(context, file.file_id))
        context.documents.commit(*creations(context, file), *mark)
    except Unavailable:  # it may have been written all the same; and a clean-up would not get through
        raise
    except DocumentExists:
        files.discard(context, [file.gcs_path])
        if first := _repeated(context, recipient, once):
            return first
        raise Unavailable("Another job was faster with this number", retry_after=1) from None
    except Exception:
        files.discard(context, [file.gcs_path])
        raise
    note_stored(file)
    return first_ticket(context, file)


def _sealed(context: Context, purpose: Purpose, place: str) -> str | None:
    if purpose.encrypted_data is None:
        return None
    return seal(context.platform.keys, purpose.encrypted_data.encode(), place)


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


def own_file(context: Context, recipient: Recipient, url: str) -> StoredPrintFile | None:
    """The tenant's file that a URL of our own bucket names; None for another server's. Raises `NotFound`."""
    name = _own_object(url, context.platform.files.bucket)
    if name is None:
        return None
    found = context.documents.query(queries.files_of_object(context.collections, recipient.organization_id, name))
    allowed = context.caller.recipient_ids
    if not found or (allowed is not None and found[0].data["recipientId"] not in allowed):
        raise NotFound("No such file in the bucket", field="gcodeUrl")
    return StoredPrintFile.of(found[0])


def withdraw(context: Context, file_id: str) -> None:
    """Removes a file whose print was refused in the call that brought it, unless its job has been begun."""
    for _ in range(_TRIES):
        found = context.documents.get_many([path(context, file_id), jobs.path(context, file_id)])
        file, job = found.get(path(context, file_id)), found.get(jobs.path(context, file_id))
        if file is None or job is None or job.data["status"] != JobStatus.HELD.value:
            return
        try:
            context.documents.commit(Delete(job.path, job.version), Delete(file.path, file.version))
        except PreconditionFailed:  # it has just been read, or its job begun
            continue
        stored = StoredPrintFile.of(file)
        files.discard(context, [stored.gcs_path, *files.pictures(stored)])
        return


def _store_copy(
    context: Context, recipient: Recipient, purpose: Purpose, original: StoredPrintFile, once: Once
) -> FileTicket:
    try:
        with context.platform.files.open(original.gcs_path) as source:
            incoming = Incoming(original.file_name, original.content_type, source)
            return _store(context, recipient, purpose, incoming, measure(source, UPLOAD_BYTES), once)
    except FileMissing:
        raise NotFound("No such file in the bucket", field="gcodeUrl") from None
