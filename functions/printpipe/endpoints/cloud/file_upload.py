"""POST /upload: takes in a print file, as multipart/form-data or from a URL; or opens a resumable upload for one."""

import re
from typing import Literal

from pydantic import Field, SecretStr

from printpipe.dialects import cloud
from printpipe.dialects.exchange import UploadedFile
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import Once
from printpipe.domain.sizes import UPLOAD_BYTES
from printpipe.domain.values import Id, Md5, Name, Sha256
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_uploads import StoredFile, stored
from printpipe.services.files import resumable_uploads, uploads
from printpipe.services.files.files import FileTicket
from printpipe.services.files.resumable_uploads import Announced, Opening
from printpipe.services.files.uploads import Incoming, Purpose

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_UNSTATED = "application/octet-stream"
"""What a part without a media type is."""


class Request(cloud.Model):
    """The body's fields; the file itself is a part of the form.

    `size`, `fileName` and `contentType` are for a file of which neither the bytes nor a URL come with the request.
    `encryptedData` is hidden from the digest that a repeated call is known by: a short secret could be guessed.
    """

    recipient_id: Id
    product_id: Name
    gcode_url: str | None = Field(None, max_length=2048)
    encrypted_data: SecretStr | None = None
    unencrypted_data: str | None = None
    size: int | None = Field(None, ge=1, le=UPLOAD_BYTES)
    file_name: str | None = Field(None, max_length=1024)
    content_type: str | None = Field(None, max_length=255)
    sha256: Sha256 | None = None
    md5: Md5 | None = None


class Reply(StoredFile):
    """The stored file, with a token that fetches it once."""


class Opened(cloud.Reply):
    """A resumable upload: PUT the bytes to `uploadUrl`, then POST /upload/{fileId}/complete."""

    status: Literal["uploading"] = "uploading"
    file_id: str
    product_id: str
    recipient_id: str
    fetch_token: None = None
    expires_at: cloud.Time
    gcs_bucket: str
    gcs_path: str
    size: int
    sha256: str | None
    upload_url: str
    upload_method: Literal["PUT"] = "PUT"
    upload_expires_at: cloud.Time


def post(call: Call, body: Request, once: Once, file: UploadedFile | None) -> Reply | Opened:
    """Stores the file with a held job of the same id, or says where to put it."""
    taken = _take(call, body, once, file)
    return _opened(taken) if isinstance(taken, Opening) else stored(Reply, taken)


def _take(call: Call, body: Request, once: Once, file: UploadedFile | None) -> FileTicket | Opening:
    purpose = Purpose(
        recipient_id=body.recipient_id,
        product_id=body.product_id,
        encrypted_data=body.encrypted_data.get_secret_value() if body.encrypted_data is not None else None,
        unencrypted_data=body.unencrypted_data,
        sha256=body.sha256,
        md5=body.md5,
    )
    if file is not None and body.gcode_url:
        raise InvalidInput("Send either file or gcodeUrl, not both", field="gcodeUrl")
    if file is not None:
        incoming = Incoming(file.name, file.media_type or _UNSTATED, file.content)
        return uploads.store(call.context, purpose, incoming, once)
    if body.gcode_url:
        return uploads.store_from_url(call.context, purpose, body.gcode_url, once)
    if body.size is None:
        raise InvalidInput("Send a file, a gcodeUrl, or the size of a file to come", field="file")
    if body.file_name is None:
        raise InvalidInput("Send the fileName of the file to come", field="fileName")
    origin = call.request.headers.get("origin", "")
    announced = Announced(
        body.file_name, body.content_type or _UNSTATED, body.size, origin if _ORIGIN.fullmatch(origin) else None
    )
    return resumable_uploads.begin(call.context, purpose, announced, once)


def _opened(opening: Opening) -> Opened:
    upload = opening.upload
    return Opened(
        file_id=upload.file_id,
        product_id=upload.product_id,
        recipient_id=upload.recipient_id,
        expires_at=upload.expires_at,
        gcs_bucket=upload.gcs_bucket,
        gcs_path=upload.gcs_path,
        size=upload.size,
        sha256=upload.sha256,
        upload_url=opening.url,
        upload_expires_at=upload.expires_at,
    )
