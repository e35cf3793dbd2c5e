"""Files on other people's servers, named by a URL that a caller gave."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class RemoteFile:
    """A file that was fetched whole: a seekable stream at its start, and what its server says of it.

    `file_name` is not checked and may be empty; `content_type` is as it was sent, or empty; `size` is in bytes.
    """

    stream: BinaryIO
    file_name: str
    content_type: str
    size: int


class RemoteFiles(Protocol):
    """Fetches by URL, closed by default: only what the deployment allows is asked."""

    def fetch(self, url: str, limit: int) -> AbstractContextManager[RemoteFile]:
        """The file, for as long as the context is open; at most `limit` bytes.

        Raises, with the field `gcodeUrl`: `domain.errors.InvalidInput` where the URL is not allowed or its server does
        not deliver the file in time (the caller chose the server, so that is no outage of ours), and
        `domain.errors.TooLarge`.
        """
