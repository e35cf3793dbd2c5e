"""Print files that their senders put into the bucket themselves, in parts: announced, put, then verified."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from printpipe.domain.errors import Conflict, Forbidden, Gone, InvalidInput, NotFound, TooLarge, Unavailable
from printpipe.domain.file_records import Intake, StoredPrintFile, Upload
from printpipe.domain.ids import Once
from printpipe.domain.lifecycles import UploadStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import (
    Create,
    Document,
    DocumentChanged,
    DocumentExists,
    PreconditionFailed,
    Update,
)
from printpipe.domain.ports.files import FileMissing
from printpipe.domain.print_files import PrintFile, check_file_name, check_media_type, inspect
from printpipe.domain.tenancy import Recipient
from printpipe.services.access import sealing
from printpipe.services.context import Context
from printpipe.services.files import files, upload_ends, uploads
from printpipe.services.files.files import FileTicket
from printpipe.services.files.uploads import Measured, Purpose
from printpipe.services.store import repetition


@dataclass(frozen=True)
class Announced:
    """A file that is to come: the name and media type that its sender gives, and its size in bytes.

    `origin` is the web app whose browsers put its bytes, where they do.
    """

    name: str
    media_type: str
    size: int
    origin: str | None = None


@dataclass(frozen=True)
class Opening:
    """An upload that is under way, and the URL to which its bytes are put; who knows it needs no key."""

    upload: Upload
    url: str = field(repr=False)


def begin(context: Context, purpose: Purpose, announced: Announced, once: Once) -> Opening | FileTicket:
    """Opens the way into the bucket for one file. A repetition gets the first one, or the file that came of it.

    Raises `InvalidInput` for a name or type that no print file has, `Gone` for a repetition of what has failed.
    """
    recipient = context.recipient(purpose.recipient_id)
    first = _begun(context, recipient, once)
    if first is not None:
        return first
    intake = _accept(context, recipient, purpose, announced, once)
    lifetime = context.policy.upload_lifetime
    url = context.platform.files.sign_upload(
        intake.gcs_path, announced.size, intake.content_type, lifetime, announced.origin
    )
    upload = Upload(
        **{name: getattr(intake, name) for name in Intake.model_fields},
        status=UploadStatus.UPLOADING,
        size=announced.size,
        sha256=purpose.sha256,
        md5=purpose.md5,
        upload_url=sealing.seal(context.platform.keys, url.encode(), _url_place(intake)),
        expires_at=context.now() + lifetime,
    )
    target = uploads.upload_path(context, upload.file_id)
    try:
        context.documents.commit(
            Create(target, upload.data()),
            upload_ends.audited(context, "upload.opened", upload, upload.file_name),
            *repetition.mark(context, upload.organization_id, once, target),
        )
    except DocumentExists:
        first = _begun(context, recipient, once)
        assert first is not None
        return first
    log("upload_begun", fileId=upload.file_id, size=upload.size)
    return Opening(upload, url)


def complete(context: Context, file_id: str, recipient_id: str | None, sha256: str | None) -> FileTicket:
    """Verifies what was put into the bucket, and makes it a file with a held job. A repetition gets the same answer.

    Raises `Conflict` while nothing has been put there, `InvalidInput` or `TooLarge` where it is not what was announced
    or no printer should see it (then the upload has failed), `Gone` once it has failed or has taken too long.
    """
    document = _own(context, file_id, recipient_id)
    upload = Upload.of(document)
    if upload.status != UploadStatus.UPLOADING:
        return _settled(context, upload, sha256)
    if sha256 and upload.sha256 and sha256 != upload.sha256:
        raise InvalidInput("sha256 is not the one that the upload was begun with", field="sha256")
    expected = sha256 or upload.sha256
    if expected is None:
        raise InvalidInput("Send the file's sha256: the upload was begun without it", field="sha256")
    if upload.expires_at <= context.now():
        _fail(context, document, upload, upload_ends.TOO_LONG)
        raise Gone("The upload took too long; begin another")
    measured, content = _verified(context, document, upload, expected)
    file = uploads.finished(context, upload, measured, content)
    # The bytes that were read are those that the file keeps: all were read from one generation of the object, and none
    # can follow it under this name. The name has one URL that writes to it, which writes only where nothing is; and
    # whoever removes the object has made the upload a failed one before, which this batch's precondition rules out.
    try:
        ended = {"status": UploadStatus.COMPLETED.value, "uploadUrl": None}
        end = Update(document.path, ended, document.version)
        context.documents.commit(*uploads.creations(context, file), end)
    except PreconditionFailed:
        again = _own(context, file_id, recipient_id)
        if again.version == document.version and context.documents.get(files.path(context, file_id)) is None:
            raise Unavailable("Another job was faster with this number", retry_after=1) from None
        return _settled(context, Upload.of(again), sha256)
    uploads.note_stored(file)
    return uploads.first_ticket(context, file)


def _begun(context: Context, recipient: Recipient, once: Once) -> Opening | FileTicket | None:
    file_id = once.new_id(recipient.organization_id)
    document = repetition.find(context, uploads.upload_path(context, file_id), once, files.path(context, file_id))
    if document is None:
        return None
    upload = Upload.of(document)
    if upload.status != UploadStatus.UPLOADING:
        return _settled(context, upload, None)
    if upload.expires_at <= context.now():
        raise Gone("The upload took too long; begin another")
    assert upload.upload_url is not None
    url = sealing.unseal(context.platform.keys, upload.upload_url, _url_place(upload))
    return Opening(upload, url.decode())


def _accept(context: Context, recipient: Recipient, purpose: Purpose, announced: Announced, once: Once) -> Intake:
    with _concerning("fileName"):
        name = check_file_name(announced.name)
    with _concerning("contentType"):
        media_type = check_media_type(announced.media_type)
    return uploads.accept(context, recipient, purpose, name, media_type, once)


@contextmanager
def _concerning(field: str) -> Iterator[None]:
    """The same error, about a field of this request's own."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(error.message, field=field) from None


def _own(context: Context, file_id: str, recipient_id: str | None) -> Document:
    """The upload, where the caller may act for its recipient; else `NotFound`, whatever the reason."""
    document = context.documents.get(uploads.upload_path(context, file_id))
    if document is not None and recipient_id in (None, document.data["recipientId"]):
        with suppress(NotFound, Forbidden):
            context.recipient(document.data["recipientId"])
            return document
    raise NotFound("No such upload", field="fileId")


def _verified(context: Context, document: Document, upload: Upload, sha256: str) -> tuple[Measured, PrintFile]:
    try:
        stored = context.platform.files.stat(upload.gcs_path)
        if stored is None:
            raise FileMissing(upload.gcs_path)
        if stored.size != upload.size:
            raise InvalidInput(f"The file has {stored.size} bytes, not the {upload.size} announced", field="size")
        with context.platform.files.open(upload.gcs_path) as stream:
            measured = uploads.measure(stream, upload.size)
            uploads.check_sums(measured, sha256, upload.md5)
            return measured, inspect(stream, upload.file_name)
    except FileMissing:
        raise Conflict("The file has not been uploaded: PUT it to the uploadUrl first", detail="uploading") from None
    except (InvalidInput, TooLarge) as refusal:
        _fail(context, document, upload, refusal.message)
        raise


def _fail(context: Context, document: Document, upload: Upload, why: str) -> None:
    """Ends the upload, then removes its object; in this order, lest a file be made of what is gone."""
    try:
        context.documents.commit(*upload_ends.failing(context, document, upload, why))
    except DocumentChanged:  # another call has ended it, one way or the other
        return
    files.discard(context, [upload.gcs_path])
    log("upload_failed", fileId=upload.file_id, why=why)


def _url_place(intake: Intake) -> str:
    """What the upload's URL is sealed for."""
    return f"{intake.organization_id}/uploads/{intake.file_id}/uploadUrl"


def _settled(context: Context, upload: Upload, sha256: str | None) -> FileTicket:
    """What became of an upload that has ended."""
    if upload.status == UploadStatus.UPLOADING:
        raise Conflict("Another file has taken the upload's id", detail="taken")
    if upload.status == UploadStatus.FAILED:
        raise Gone(f"The upload has failed; begin another ({upload.failure})")
    document = context.documents.get(files.path(context, upload.file_id))
    if document is None:
        raise Gone("The file has been removed")
    file = StoredPrintFile.of(document)
    if sha256 not in (None, file.sha256):
        raise Conflict("The upload was completed with another sha256", detail="completed", field="sha256")
    return uploads.first_ticket(context, file)
