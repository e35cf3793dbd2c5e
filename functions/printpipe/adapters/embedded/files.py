"""The file store in a folder, with signed URLs that the local gateway serves."""

import hashlib
import hmac
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import quote, urlencode

from printpipe.adapters.disposition import attachment
from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.files import FileExists, FileMissing, StoredFile

URL_PREFIX = "/_files/"
"""Where the gateway serves signed URLs, behind its base URL."""

_CHUNK = 1 << 20


class UrlRefused(Exception):
    """A signed URL is forged or expired, or what is sent to it is not what it was signed for."""


@dataclass(frozen=True)
class Download:
    """What a signed GET serves; the caller closes the stream."""

    stream: BinaryIO
    file: StoredFile
    disposition: str


class EmbeddedFiles:
    """The bucket as one folder per object (its bytes, its facts), which appears whole or not at all."""

    def __init__(
        self,
        root: Path,
        bucket: str,
        *,
        base_url: str,
        secret: bytes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket = bucket
        self._objects = root / bucket / "objects"
        self._incoming = root / bucket / "incoming"
        self._base_url = base_url.rstrip("/")
        self._secret = secret
        self._now = now
        with _reachable():
            self._objects.mkdir(parents=True, exist_ok=True)
            self._incoming.mkdir(parents=True, exist_ok=True)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._bucket

    def put(self, name: str, source: BinaryIO, content_type: str) -> StoredFile:
        """Streams a new object from the source's position to its end."""
        return self._store(name, source, content_type, size=None)

    def open(self, name: str) -> BinaryIO:
        """A stream of the object's bytes."""
        with _reachable():
            try:
                return (self._folder(name) / "data").open("rb")
            except FileNotFoundError:
                raise FileMissing(name) from None

    def stat(self, name: str) -> StoredFile | None:
        """What is known of the object, or None."""
        with _reachable():
            try:
                facts = json.loads((self._folder(name) / "facts.json").read_bytes())
            except FileNotFoundError:
                return None
        return StoredFile(**facts)

    def delete(self, name: str) -> None:
        """Removes the object; a missing one is no error."""
        with _reachable():
            doomed = self._incoming / secrets.token_hex(16)
            try:
                self._folder(name).rename(doomed)
            except FileNotFoundError:
                return
            shutil.rmtree(doomed)

    def sign_get(self, name: str, lifetime: timedelta, file_name: str) -> str:
        """A URL that serves the object for a while, as an attachment of that name."""
        return self._sign("GET", name, lifetime, {"file_name": file_name})

    def sign_upload(
        self, name: str, size: int, content_type: str, lifetime: timedelta, origin: str | None = None
    ) -> str:
        """A URL to which exactly `size` bytes of a new object can be PUT for a while; from any origin."""
        return self._sign("PUT", name, lifetime, {"size": str(size), "content_type": content_type})

    def open_signed(self, name: str, parameters: Mapping[str, str]) -> Download:
        """Serves a GET: `name` is the path behind `URL_PREFIX`, decoded. Raises `UrlRefused`, `FileMissing`."""
        self.verify("GET", name, parameters)
        file = self.stat(name)
        if file is None:
            raise FileMissing(name)
        return Download(self.open(name), file, attachment(parameters["file_name"]))

    def put_signed(self, name: str, parameters: Mapping[str, str], source: BinaryIO) -> StoredFile:
        """Serves a PUT; stores nothing unless exactly the signed size comes. Raises `UrlRefused`, `FileExists`."""
        self.verify("PUT", name, parameters)
        return self._store(name, source, parameters["content_type"], size=int(parameters["size"]))

    def verify(self, method: Literal["GET", "PUT"], name: str, parameters: Mapping[str, str]) -> None:
        """Raises `UrlRefused` unless the parameters are as signed for this method and object, and not expired."""
        signed = {key: value for key, value in parameters.items() if key != "signature"}
        given = parameters.get("signature", "")
        if not hmac.compare_digest(self._signature(method, name, signed).encode(), given.encode()):
            raise UrlRefused("the signature does not fit")
        if self._now().timestamp() > int(signed["expires"]):
            raise UrlRefused("the URL has expired")

    def _sign(self, method: Literal["GET", "PUT"], name: str, lifetime: timedelta, signed: dict[str, str]) -> str:
        signed["expires"] = str(int((self._now() + lifetime).timestamp()))
        query = urlencode({**signed, "signature": self._signature(method, name, signed)})
        return f"{self._base_url}{URL_PREFIX}{quote(name)}?{query}"

    def _signature(self, method: str, name: str, signed: Mapping[str, str]) -> str:
        text = json.dumps([method, self._bucket, name, sorted(signed.items())])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def _folder(self, name: str) -> Path:
        return self._objects / hashlib.sha256(name.encode()).hexdigest()

    def _store(self, name: str, source: BinaryIO, content_type: str, *, size: int | None) -> StoredFile:
        with _reachable():
            folder = self._incoming / secrets.token_hex(16)
            folder.mkdir()
        try:
            with _reachable(), (folder / "data").open("xb") as target:
                length, md5 = _copy(source, target, size)
                file = StoredFile(name, length, content_type, md5)
            with _reachable():
                (folder / "facts.json").write_text(json.dumps(asdict(file)))
                try:
                    # Renaming a folder onto one that is not empty fails: the first writer wins.
                    folder.rename(self._folder(name))
                except OSError:
                    if self._folder(name).exists():
                        raise FileExists(name) from None
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return file


def _copy(source: BinaryIO, target: BinaryIO, size: int | None) -> tuple[int, str]:
    """Copies all of it (exactly `size` bytes where given), to the disk; the length and the MD5 in hex."""
    digest = hashlib.md5(usedforsecurity=False)
    length = 0
    while chunk := source.read(_CHUNK if size is None else min(_CHUNK, size + 1 - length)):
        length += len(chunk)
        if size is not None and length > size:
            break
        digest.update(chunk)
        target.write(chunk)
    if size is not None and length != size:
        raise UrlRefused(f"the URL is for {size} bytes")
    target.flush()
    os.fsync(target.fileno())
    return length, digest.hexdigest()


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the file store does not answer: {error.strerror}") from error
