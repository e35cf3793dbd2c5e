"""Print files: where they are stored, and links to their bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from printpipe.domain.errors import NotFound, Unavailable
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.log import log_failure
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.store import queries


@dataclass(frozen=True)
class FileTicket:
    """A file with a token that fetches it once."""

    file: StoredPrintFile
    token: str
    expires_at: datetime


def newest(context: Context, recipient: Recipient, product_id: str) -> StoredPrintFile:
    """The product's newest file at this site. Raises `NotFound`."""
    query = queries.newest_files_of_product(context.collections, recipient.id, product_id, 1)
    found = context.documents.query(query)
    if not found:
        raise NotFound("The product has no file", field="productId")
    return StoredPrintFile.of(found[0])


def links(context: Context, file: StoredPrintFile) -> list[tuple[str, str]]:
    """Short-lived links to the file and its first thumbnail, as pairs of URL and type; none for who may not read it.

    Nor are there any where signing fails: what was ordered has been. A new file's thumbnail is there once it was read.
    """
    if not context.caller.may("files.read"):
        return []
    try:
        return _links(context, file)
    except Unavailable:
        log_failure("links_failed", fileId=file.file_id)
        return []


def link(context: Context, given: FileTicket) -> str | None:
    """A short-lived link to the bytes of a file that is given out; None where signing fails: its token serves too."""
    try:
        return signed_link(context, given.file)
    except Unavailable:
        log_failure("links_failed", fileId=given.file.file_id)
        return None


def _links(context: Context, file: StoredPrintFile) -> list[tuple[str, str]]:
    found = [(signed_link(context, file), "gcode")]
    picture = next((plate.thumbnail_path for plate in file.plates if plate.thumbnail_path), None)
    if picture:
        url = context.platform.files.sign_get(picture, context.policy.fetch_token_lifetime, "thumbnail.png")
        found.append((url, "thumbnail"))
    return found


def path(context: Context, file_id: str) -> str:
    """Where the file is stored."""
    return f"{context.collections.files}/{file_id}"


def secret_place(organization_id: str, file_id: str) -> str:
    """What the file's `encryptedData` is sealed for."""
    return f"{organization_id}/files/{file_id}/encryptedData"


def signed_link(context: Context, file: StoredPrintFile) -> str:
    """A short-lived link to the file's bytes. Raises `Unavailable` where signing fails."""
    return context.platform.files.sign_get(file.gcs_path, context.policy.fetch_token_lifetime, file.file_name)


def pictures(file: StoredPrintFile) -> list[str]:
    """The objects that hold the pictures of its plates, or will once the file has been read."""
    return [plate.thumbnail_path for plate in file.plates if plate.thumbnail_path]


def discard(context: Context, objects: Sequence[str]) -> None:
    """Removes objects that nothing names; what cannot be removed is logged."""
    for name in objects:
        try:
            context.platform.files.delete(name)
        except Exception:
            log_failure("file_discard_failed", path=name)
