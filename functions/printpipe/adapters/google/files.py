"""The file store on Cloud Storage."""

import base64
import functools
import io
from datetime import timedelta
from typing import Any, BinaryIO, cast

import google.auth
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth import iam
from google.auth.credentials import AnonymousCredentials, Signing
from google.auth.transport.requests import Request
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.oauth2 import service_account

from printpipe.adapters.disposition import attachment
from printpipe.adapters.google.reach import reach
from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.files import FileExists, FileMissing, StoredFile

_SERVICE = "Cloud Storage"
_CHUNK = 4 << 20
"""Bytes a request carries of a larger object; what is smaller goes in one."""

_RANGE_AFTER_JUMP = 256 << 10

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
_SIGNING_TIMEOUT = 3.0


class GoogleFiles:
    """One bucket. `signer` (credentials that sign) is by default whatever the process runs as, without a key file."""

    def __init__(self, bucket: str, *, project: str, signer: Any = None) -> None:
        self._client = storage.Client(project=project)
        self._bucket = self._client.bucket(bucket)
        self._given_signer = signer

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return str(self._bucket.name)

    def put(self, name: str, source: BinaryIO, content_type: str) -> StoredFile:
        """Streams a new object from the source's position to its end, 4 MiB at a time."""
        head = _read_fully(source, _CHUNK)
        try:
            if len(head) < _CHUNK:
                return self._put_small(name, head, content_type)
            return self._put_large(name, _Stream(head, source), content_type)
        except exceptions.PreconditionFailed as error:
            raise FileExists(name) from error
        except DataCorruption as error:
            raise Unavailable(f"{_SERVICE} received other bytes than were sent") from error

    def open(self, name: str) -> BinaryIO:
        """A stream of the object's bytes, fetched up to 4 MiB at a time."""
        blob = self._find(name)
        if blob is None:
            raise FileMissing(name)
        return cast(BinaryIO, io.BufferedReader(_Reader(blob), _CHUNK))

    def stat(self, name: str) -> StoredFile | None:
        """What is known of the object, or None."""
        blob = self._find(name)
        return None if blob is None else _stored(blob)

    def delete(self, name: str) -> None:
        """Removes the object; a missing one is no error."""
        blob = self._bucket.blob(name)
        try:
            reach(_SERVICE, lambda timeout: blob.delete(retry=None, timeout=timeout))
        except exceptions.NotFound:
            return

    def sign_get(self, name: str, lifetime: timedelta, file_name: str) -> str:
        """A signed URL (V4; at most 7 days) that serves the object as an attachment of that name."""
        blob = self._bucket.blob(name)

        def attempt(_: float) -> Any:
            return blob.generate_signed_url(
                version="v4",
                expiration=lifetime,
                method="GET",
                response_disposition=attachment(file_name),
                credentials=self._signer,
                api_access_endpoint=self._client.api_endpoint,
            )

        return str(reach(_SERVICE, attempt))

    def sign_upload(
        self, name: str, size: int, content_type: str, lifetime: timedelta, origin: str | None = None
    ) -> str:
        """The URL of a resumable upload of exactly `size` bytes of a new object, to be PUT in one or several parts.

        Cloud Storage ends such an upload after a week; a shorter `lifetime` is for the caller to enforce. It lets
        browsers of the `origin` alone see the answers, if the bucket's CORS has it too:
        https://cloud.google.com/storage/docs/performing-resumable-uploads#initiate-session
        """
        blob = self._bucket.blob(name)

        def attempt(timeout: float) -> Any:
            return blob.create_resumable_upload_session(
                content_type=content_type,
                size=size,
                origin=origin,
                if_generation_match=0,
                timeout=timeout,
                retry=None,
            )

        try:
            return str(reach(_SERVICE, attempt))
        except exceptions.PreconditionFailed as error:
            raise FileExists(name) from error

    def _find(self, name: str) -> Any:
        return reach(_SERVICE, lambda timeout: self._bucket.get_blob(name, retry=None, timeout=timeout))

    def _put_small(self, name: str, data: bytes, content_type: str) -> StoredFile:
        blob = self._bucket.blob(name)

        def attempt(timeout: float) -> None:
            blob.upload_from_string(
                data, content_type, checksum="md5", if_generation_match=0, retry=None, timeout=timeout
            )

        # Not repeated: the second attempt could not tell its own first object from another's.
        reach(_SERVICE, attempt, repeatable=False)
        return _stored(blob)

    def _put_large(self, name: str, stream: "_Stream", content_type: str) -> StoredFile:
        blob = self._bucket.blob(name, chunk_size=_CHUNK)

        def attempt(timeout: float) -> None:
            blob.upload_from_file(
                stream, content_type=content_type, checksum="md5", if_generation_match=0, retry=None, timeout=timeout
            )

        reach(_SERVICE, attempt, repeatable=False)
        return _stored(blob)

    @functools.cached_property
    def _signer(self) -> Any:
        if self._given_signer is not None:
            return self._given_signer
        # The client itself chooses anonymous credentials where it talks to an emulator, which checks no signature.
        if isinstance(self._client._credentials, AnonymousCredentials):
            return _ephemeral_account()
        return _own_account()


class _Stream:
    """A source whose beginning was read already, never giving less than asked before its end."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = io.BytesIO(head)
        self._rest = rest
        self._position = 0

    def read(self, size: int) -> bytes:
        data = self._head.read(size)
        data += _read_fully(self._rest, size - len(data))
        self._position += len(data)
        return data

    def tell(self) -> int:
        return self._position


class _Reader(io.RawIOBase):
    """An object's bytes by ranges, all of the generation that was found.

    After a jump little is fetched, and the more the longer it is read on from there.
    """

    def __init__(self, blob: Any) -> None:
        self._blob = blob
        self._position = 0
        self._range = _CHUNK

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: int(self._blob.size)}
        position = offset + bases[whence]
        if position < 0:
            raise ValueError("a position before the start")
        if position != self._position:
            self._range = _RANGE_AFTER_JUMP
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        data = self._fetch(min(len(buffer), self._range))
        self._range = min(2 * self._range, _CHUNK)
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._fetch(self._blob.size)

    def _fetch(self, length: int) -> bytes:
        end = min(self._position + length, self._blob.size)
        if end <= self._position:
            return b""

        def attempt(timeout: float) -> Any:
            return self._blob.download_as_bytes(
                start=self._position, end=end - 1, checksum=None, raw_download=True, retry=None, timeout=timeout
            )

        try:
            data = bytes(reach(_SERVICE, attempt))
        except exceptions.NotFound as error:
            raise FileMissing(self._blob.name) from error
        self._position += len(data)
        return data


def _stored(blob: Any) -> StoredFile:
    md5 = base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else None
    return StoredFile(blob.name, int(blob.size), blob.content_type or "application/octet-stream", md5)


def _read_fully(source: BinaryIO, size: int) -> bytes:
    """`size` bytes, less only at the source's end."""
    parts = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


@functools.cache
def _ephemeral_account() -> Any:
    """A service account that exists nowhere, with a key of this process's own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return service_account.Credentials.from_service_account_info(
        {"private_key": pem.decode(), "client_email": "local@printpipe.invalid", "token_uri": _TOKEN_URI}
    )


def _own_account() -> Any:
    """What the process runs as: it signs by itself where it can, else through IAM's signBlob."""
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    if isinstance(credentials, Signing):
        return credentials
    request = functools.partial(Request(), timeout=_SIGNING_TIMEOUT)
    # The metadata server tells the account's address with the first token.
    credentials.refresh(request)
    email = credentials.service_account_email
    return service_account.Credentials(iam.Signer(request, credentials, email), email, _TOKEN_URI)
