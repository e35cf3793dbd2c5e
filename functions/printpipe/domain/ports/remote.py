"""Files that lie behind a URL somebody gave us."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class RemoteFile:
    """A file that was fetched: seekable, and gone when its context ends."""

    stream: BinaryIO
    file_name: str
    content_type: str
    size: int


class RemoteFiles(Protocol):
    """Fetches only from where the deployment allows."""

    def fetch(self, url: str, limit: int) -> AbstractContextManager[RemoteFile]:
        """The file, at most `limit` bytes of it. Raises `InvalidInput` on `gcodeUrl`, or `TooLarge`."""
