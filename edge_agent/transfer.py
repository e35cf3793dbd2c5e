"""Files over HTTP, both ways, over lines that are slow and that break."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

BLOCK = 64 * 1024
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
"""How long a download may bring nothing."""
SEND_BLOCK = 16 * 1024
SEND_SECONDS = 60.0
"""How long one block of an upload may take, and the connecting before it."""
SEND_BUFFER = 128 * 1024
"""Bytes that the system takes in advance: the answer's time begins when the last block is handed over, and not when it
has arrived. On a line with 50 KB/s these take 3 s; the system's own choice can be megabytes."""
WORTH_WHILE = 256 * 1024
"""A line that brought so many bytes before it broke is asked at once for the rest."""

SOCKET_OPTIONS = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)]
"""Of every connection to the cloud."""


class NotGiven(HTTPError):
    """The answer's status is not one that comes with the file."""

    def __init__(self, status: int) -> None:
        super().__init__(f"download answered {status}")
        self.status = status


def receive(pool: urllib3.PoolManager, url: str, target: Path, size: int, check: Callable[[], None]) -> None:
    """Write to `target` what `url` gives, `size` bytes, from where `target` ends on; `check` may raise in between.

    What has come stays in `target`. A server that cannot give a part, or has another file by now, begins anew.
    Raises HTTPError, and OSError for this machine's disk.
    """
    tag: str | None = None
    while True:
        held = target.stat().st_size if target.exists() else 0
        if held == size:
            return
        headers = {"Range": f"bytes={held}-", **({"If-Range": tag} if tag else {})} if 0 < held < size else {}
        limits = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        response = pool.request("GET", url, headers=headers, preload_content=False, timeout=limits)
        with contextlib.closing(response):
            begin = _beginning(response, held, target)
            tag = _strong(response.headers.get("ETag"))
            try:
                _write(response, target, begin, size, check)
                return
            except HTTPError:
                if target.stat().st_size - begin < WORTH_WHILE:
                    raise


def send(
    pool: urllib3.PoolManager,
    method: str,
    url: str,
    headers: dict[str, str],
    source: Path,
    check: Callable[[], None],
    answer_seconds: float,
) -> int:
    """Send the whole file; the answer's status. `check` may raise in between. Raises HTTPError, OSError."""
    response = pool.request(
        method,
        url,
        body=_blocks(source, check),
        headers={**headers, "Content-Length": str(source.stat().st_size)},
        timeout=urllib3.Timeout(connect=SEND_SECONDS, read=answer_seconds),
        redirect=False,
    )
    return response.status


def _beginning(response: urllib3.BaseHTTPResponse, held: int, target: Path) -> int:
    """The byte at which the answer begins."""
    if response.status == 200:
        return 0
    if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {held}-"):
        return held
    if response.status in (206, 416):
        target.unlink(missing_ok=True)
    raise NotGiven(response.status)


def _strong(tag: str | None) -> str | None:
    """A tag by which a part of the same file can be asked for: a weak one does not say that each byte is the same."""
    return None if tag is None or tag.startswith("W/") else tag


def _write(response: urllib3.BaseHTTPResponse, target: Path, begin: int, size: int, check: Callable[[], None]) -> None:
    with target.open("r+b" if begin else "wb") as file:
        file.seek(begin)
        for block in response.stream(BLOCK):
            check()
            if file.tell() + len(block) > size:
                raise HTTPError("the download is larger than the file that was offered")
            file.write(block)


def _blocks(source: Path, check: Callable[[], None]) -> Iterator[bytes]:
    with source.open("rb") as file:
        while block := file.read(SEND_BLOCK):
            check()
            yield block
