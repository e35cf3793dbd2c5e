"""Files sent block by block, as they are or in a form (RFC 7578)."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edge_agent.drivers.base import StorageFailed
from edge_agent.drivers.polled.line import BLOCK


def form(
    fields: Mapping[str, str], source: Path, name: str, progress: Callable[[int], None]
) -> tuple[dict[str, str], Iterator[bytes]]:
    """The headers and the body of a form whose field `file` is this file under this name.

    `progress` is called before each block with the file's bytes sent so far. Raises StorageFailed for a name that
    cannot be written in a form.
    """
    if any(character in name for character in '\r\n"/\\'):
        raise StorageFailed("refused", "the file name cannot be used on the printer")
    boundary = uuid.uuid4().hex
    plain = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    about = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/octet-stream'
    before = f"{plain}--{boundary}\r\n{about}\r\n\r\n".encode()
    after = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield before
        yield from content(source, progress)
        yield after

    size = len(before) + source.stat().st_size + len(after)
    return {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(size)}, body()


def content(source: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """The file's blocks; `progress` is called before each with the bytes sent so far."""
    sent = 0
    with source.open("rb") as file:
        while block := file.read(BLOCK):
            progress(sent)
            yield block
            sent += len(block)
