"""The bytes of stored files, and their pictures."""

from datetime import timedelta

from printpipe.domain.errors import DownloadFailed, NotFound
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ports.documents import Update
from printpipe.domain.ports.files import FileMissing
from printpipe.domain.print_files import kind_of, read_preview
from printpipe.domain.transfers import TransferStatus
from printpipe.services.context import Context
from printpipe.services.files import files, storage, transfers

_NOTED_EVERY = timedelta(hours=1)


def link(context: Context, file_id: str) -> str:
    """A short-lived link to a stored file's bytes.

    Raises `NotFound` where it is not stored, and `DownloadFailed` where it would be, had its last download not failed.
    """
    try:
        stored = _stored(context, file_id)
    except NotFound:
        _look_for_failure(context, file_id)
        raise
    url = context.platform.files.sign_get(stored.gcs_path, context.policy.fetch_token_lifetime, stored.file_name)
    _note_access(context, stored)
    return url


def preview(context: Context, file_id: str) -> bytes:
    """The picture of a stored file's first plate that has one: a PNG. Raises `NotFound` where there is none.

    Of a file that was not read yet it is looked for in the file itself.
    """
    stored = _stored(context, file_id)
    path = next((plate.thumbnail_path for plate in stored.plates if plate.thumbnail_path), None)
    if path is None:
        raise NotFound("The file has no picture", field="file_id")
    picture = _content(context, path)
    if picture is None and stored.read_at is None:
        picture = _picture_within(context, stored)
    if picture is None:
        raise NotFound("The file's picture is not to be had", field="file_id")
    return picture


def _content(context: Context, path: str) -> bytes | None:
    try:
        with context.platform.files.open(path) as stream:
            return stream.read()
    except FileMissing:
        return None


def _picture_within(context: Context, stored: StoredPrintFile) -> bytes | None:
    try:
        with context.platform.files.open(stored.gcs_path) as stream:
            return read_preview(stream, kind_of(stored.file_name))
    except FileMissing:
        return None


def _stored(context: Context, file_id: str) -> StoredPrintFile:
    located = storage.locate_stored(context, file_id)
    if located.stored is None:
        raise NotFound("There is no local copy of this file: download it first", field="file_id")
    return located.stored


def _look_for_failure(context: Context, file_id: str) -> None:
    """Raises `DownloadFailed` where the file's last download has failed."""
    download = transfers.last(context, file_id, "fetch")
    if download is not None and download.status == TransferStatus.FAILED:
        why = download.error or "for a reason that nobody told"
        raise DownloadFailed(f"The file's last download failed: {why}", field="file_id", detail=download.error_code)


def _note_access(context: Context, stored: StoredPrintFile) -> None:
    now = context.now()
    if stored.accessed_at is None or now - stored.accessed_at >= _NOTED_EVERY:
        context.documents.commit(Update(files.path(context, stored.file_id), {"accessedAt": now}))
