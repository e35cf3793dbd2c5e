"""How uploads end that their sender puts into the bucket itself, and never completes."""

from printpipe.domain.file_records import Upload
from printpipe.domain.lifecycles import UploadStatus
from printpipe.domain.ports.documents import Create, Document, Update, Write
from printpipe.services.context import Context
from printpipe.services.store import audit

TOO_LONG = "it took too long"
"""Why an upload has failed that was not completed in time."""


def lapse(context: Context, document: Document) -> list[Write]:
    """The writes that end an upload that took too long; its object is to be removed after them."""
    return failing(context, document, Upload.of(document), TOO_LONG)


def failing(context: Context, document: Document, upload: Upload, why: str) -> list[Write]:
    """The writes that end an upload in vain; its object is to be removed after them."""
    failed = {"status": UploadStatus.FAILED.value, "failure": why, "uploadUrl": None}
    return [Update(document.path, failed, document.version), audited(context, "upload.failed", upload, why)]


def audited(context: Context, action: str, upload: Upload, detail: str) -> Create:
    """The record of what was done with an upload."""
    return audit.entry(
        context,
        action,
        upload.organization_id,
        subject=upload.file_id,
        recipient_id=upload.recipient_id,
        detail=detail,
    )
