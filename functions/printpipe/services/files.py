"""Print files: take them in, list them, and give each out once per token."""

import hashlib
import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from printpipe.domain import fetch_tokens
from printpipe.domain.errors import Gone, InvalidInput, NotFound, TooLarge
from printpipe.domain.fetch_tokens import FetchToken
from printpipe.domain.ids import new_id
from printpipe.domain.lifecycles import JobStatus, file_status
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import (
    Create,
    Document,
    DocumentChanged,
    DocumentExists,
    Query,
    Update,
    Where,
    Write,
)
from printpipe.domain.print_files import PrintFile, inspect
from printpipe.domain.print_files.names import check_file_name, check_media_type
from printpipe.domain.records import Job, Plate, StoredPrintFile
from printpipe.domain.tenancy import Recipient
from printpipe.services import jobs
from printpipe.services.context import Context
from printpipe.services.sealing import seal, unseal

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_METADATA_BYTES = 256 * 1024
MAX_INLINE_BYTES = 22 * 1024 * 1024
"""A larger file does not fit, in base64, into a function's answer of 32 MB."""

MAX_LISTED = 100
_CHUNK = 1024 * 1024
_TRIES = 5


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
class FileTicket:
    """A file with a token that fetches it once."""

    file: StoredPrintFile
    token: str
    expires_at: datetime


@dataclass(frozen=True)
class Fetched:
    """A file that was given out: its bytes in base64 unless too large, a link to it, and what was attached."""

    file: StoredPrintFile
    data: str | None
    download_url: str | None
    encrypted_data: str | None


@dataclass(frozen=True)
class _Measured:
    size: int
    sha256: str
    md5: str


def store(context: Context, purpose: Purpose, incoming: Incoming) -> FileTicket:
    """Takes a file in: checked, hashed, stored, with a held job of the same id.

    Raises `InvalidInput` or `TooLarge` for a file that no printer should see; then nothing is stored.
    """
    recipient = context.recipient(purpose.recipient_id)
    attached = len((purpose.encrypted_data or "").encode()) + len((purpose.unencrypted_data or "").encode())
    if attached > MAX_METADATA_BYTES:
        raise TooLarge(f"encryptedData and unencryptedData exceed {MAX_METADATA_BYTES} bytes", field="encryptedData")
    name = check_file_name(incoming.name)
    media_type = check_media_type(incoming.media_type)
    measured = _measure(incoming.content)
    content = inspect(incoming.content, name)
    file = _record(context, recipient, purpose, name, media_type, measured, content)
    _put(context, file, incoming.content, content)
    try:
        context.documents.commit(
            Create(_path(context, file.file_id), file.data()),
            Create(jobs.path(context, file.file_id), _held_job(context, file).data()),
        )
    except Exception:
        _discard(context, file)
        raise
    log("file_stored", fileId=file.file_id, printJobId=file.file_id, size=file.size, kind=file.kind)
    return FileTicket(file, _mint(context, file, file.fetch_token_expiry), file.fetch_token_expiry)


def store_from_url(context: Context, purpose: Purpose, url: str) -> FileTicket:
    """Takes in a file that lies behind a URL, likewise."""
    context.recipient(purpose.recipient_id)
    with context.platform.remote.fetch(url, MAX_FILE_BYTES) as remote:
        return store(context, purpose, Incoming(remote.file_name, remote.content_type, remote.stream))


def fetch(context: Context, token: str, *, metadata_only: bool) -> Fetched:
    """Uses a token up and gives the file out. A held job counts as taken by whoever fetched its file.

    Raises `NotFound` for a forged token, `Gone` for one that was used or has expired.
    """
    claim = fetch_tokens.read(token, context.policy.fetch_token_secrets)
    if claim.expires_at <= context.now():
        raise Gone("The fetch token has expired")
    document = _current(context, claim)
    file = StoredPrintFile.of(document)
    attached = _unseal_attached(context, file)
    if not metadata_only and context.platform.files.stat(file.gcs_path) is None:
        raise Gone("The file has been removed")
    _consume(context, document, claim, takes_job=not metadata_only)
    log("file_fetched", fileId=file.file_id, mode="metadata" if metadata_only else "full")
    if metadata_only:
        return Fetched(file, None, None, attached)
    return Fetched(file, _inline(context, file), _link(context, file), attached)


def ticket(context: Context, file_id: str) -> FileTicket | None:
    """The file with a token that is good now; None where it is gone."""
    document = context.documents.get(_path(context, file_id))
    return _ticket(context, document) if document else None


def waiting(context: Context, recipient_id: str) -> list[FileTicket]:
    """The recipient's files that were uploaded or queued and not begun, oldest first, each with its token."""
    words = [file_status(JobStatus.HELD), file_status(JobStatus.QUEUED)]
    query = Query(
        context.collections.files,
        [Where("recipientId", "==", recipient_id), Where("status", "in", words)],
        [("createdAt", "asc")],
        MAX_LISTED,
    )
    return [_ticket(context, document) for document in context.documents.query(query)]


def newest(context: Context, recipient: Recipient, product_id: str) -> StoredPrintFile:
    """The product's newest file at this site. Raises `NotFound`."""
    query = Query(
        context.collections.files,
        [Where("recipientId", "==", recipient.id), Where("productId", "==", product_id)],
        [("createdAt", "desc")],
        1,
    )
    found = context.documents.query(query)
    if not found:
        raise NotFound("The product has no file", field="productId")
    return StoredPrintFile.of(found[0])


def links(context: Context, file: StoredPrintFile) -> list[tuple[str, str]]:
    """Short-lived links to the file and its first thumbnail, as pairs of URL and type."""
    found = [(_link(context, file), "gcode")]
    picture = next((plate.thumbnail_path for plate in file.plates if plate.thumbnail_path), None)
    if picture:
        url = context.platform.files.sign_get(picture, context.policy.fetch_token_lifetime, "thumbnail.png")
        found.append((url, "thumbnail"))
    return found


def _measure(content: BinaryIO) -> _Measured:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    content.seek(0)
    while chunk := content.read(_CHUNK):
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise TooLarge(f"The file is larger than {MAX_FILE_BYTES} bytes", field="file")
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
) -> StoredPrintFile:
    file_id, now = new_id(), context.now()
    expires = fetch_tokens.expiry(now, context.policy.fetch_token_lifetime)
    sealed = None
    if purpose.encrypted_data is not None:
        sealed = seal(
            context.platform.keys, purpose.encrypted_data.encode(), _place(recipient.organization_id, file_id)
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
        fetch_token=fetch_tokens.digest(_sign(context, FetchToken(file_id, 1, expires))),
        fetch_token_expiry=expires,
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
    except Exception:
        _discard(context, file)
        raise


def _discard(context: Context, file: StoredPrintFile) -> None:
    try:
        for name in (file.gcs_path, *(plate.thumbnail_path for plate in file.plates if plate.thumbnail_path)):
            context.platform.files.delete(name)
    except Exception:
        log_failure("file_discard_failed", fileId=file.file_id, path=file.gcs_path)


def _current(context: Context, claim: FetchToken) -> Document:
    document = context.documents.get(_path(context, claim.file_id))
    if document is None:
        raise Gone("The file has been removed")
    if document.data["generation"] != claim.generation:
        raise Gone("The fetch token has been used")
    return document


def _consume(context: Context, document: Document, claim: FetchToken, *, takes_job: bool) -> None:
    for _ in range(_TRIES):
        used = {"generation": claim.generation + 1, "fetchTokenConsumed": True}
        taken, writes = _take_job(context, claim.file_id) if takes_job else ({}, [])
        try:
            context.documents.commit(Update(document.path, {**used, **taken}, document.version), *writes)
        except (DocumentChanged, DocumentExists):
            document = _current(context, claim)  # somebody else's use of the token is `Gone`; a claim is not
            continue
        return
    raise Gone("The fetch token has been used")


def _take_job(context: Context, file_id: str) -> tuple[dict[str, object], Sequence[Write]]:
    """A held job counts as claimed by the one who fetches its file; nothing else changes a job here."""
    job = context.documents.get(jobs.path(context, file_id))
    if job is None or job.data["status"] != JobStatus.HELD.value:
        return {}, []
    _, writes = jobs.claim_writes(context, job, "fetch")
    of_file = [each for each in writes if isinstance(each, Update) and each.path == _path(context, file_id)]
    fields = {name: value for each in of_file for name, value in each.fields.items()}
    return fields, [each for each in writes if each not in of_file]


def _unseal_attached(context: Context, file: StoredPrintFile) -> str | None:
    if file.encrypted_data is None:
        return None
    return unseal(context.platform.keys, file.encrypted_data, _place(file.organization_id, file.file_id)).decode()


def _place(organization_id: str, file_id: str) -> str:
    return f"{organization_id}/files/{file_id}/encryptedData"


def _inline(context: Context, file: StoredPrintFile) -> str | None:
    if file.size > MAX_INLINE_BYTES:
        return None
    with context.platform.files.open(file.gcs_path) as stream:
        return b64encode(stream.read()).decode()


def _link(context: Context, file: StoredPrintFile) -> str:
    return context.platform.files.sign_get(file.gcs_path, context.policy.fetch_token_lifetime, file.file_name)


def _ticket(context: Context, document: Document) -> FileTicket:
    file = StoredPrintFile.of(document)
    expires = fetch_tokens.expiry(context.now(), context.policy.fetch_token_lifetime)
    return FileTicket(file, _mint(context, file, expires), expires)


def _mint(context: Context, file: StoredPrintFile, expires: datetime) -> str:
    return _sign(context, FetchToken(file.file_id, file.generation, expires))


def _sign(context: Context, token: FetchToken) -> str:
    return fetch_tokens.mint(token, context.policy.fetch_token_secrets[0])


def _path(context: Context, file_id: str) -> str:
    return f"{context.collections.files}/{file_id}"
