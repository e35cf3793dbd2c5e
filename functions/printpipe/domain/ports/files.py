"""The file store: objects in one bucket, under names that we choose."""

from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class StoredFile:
    """What the store knows of an object: size in bytes, MD5 in lower hex (None where the store has none)."""

    name: str
    size: int
    content_type: str
    md5: str | None


class FileExists(Exception):
    """An object of that name is there already."""


class FileMissing(Exception):
    """No object has that name."""


class Files(Protocol):
    """The bucket. Every method raises `domain.errors.Unavailable` where the backend is out of reach."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    def put(self, name: str, source: BinaryIO, content_type: str) -> StoredFile:
        """Streams a new object from the source's position to its end. Raises `FileExists`; never overwrites."""

    def open(self, name: str) -> BinaryIO:
        """A seekable stream of the bytes of the object that is there now, whatever follows it. Raises `FileMissing`."""

    def stat(self, name: str) -> StoredFile | None:
        """What is known of the object, or None."""

    def delete(self, name: str) -> None:
        """Removes the object; a missing one is no error."""

    def sign_get(self, name: str, lifetime: timedelta, file_name: str) -> str:
        """A URL that serves the object for a while without another credential, as an attachment of that name."""

    def sign_upload(
        self, name: str, size: int, content_type: str, lifetime: timedelta, origin: str | None = None
    ) -> str:
        """A URL to which exactly `size` bytes of a new object can be PUT for a while (resumable where supported).

        `origin` is the web app whose browsers PUT them, as it stands in their `Origin` header.
        """
