"""An issuer's key set over HTTPS."""

import ssl
import threading
import time
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import SHUT_RDWR, socket
from typing import Final
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from printpipe.domain.errors import Unavailable

_LONGEST: Final = 256 << 10


class HttpsWebKeys:
    """`domain.ports.web_keys.WebKeys` on urllib3. Follows no redirect.

    `url` is one that the settings allow: https, or http to this machine. `timeout` bounds the connection and each
    reading, `timeout_total` the whole; both are in seconds. `ca_file` replaces the system's certificate authorities.
    """

    def __init__(
        self, url: str, *, timeout: float = 3.0, timeout_total: float = 7.0, ca_file: Path | None = None
    ) -> None:
        self._url = urlsplit(url)
        self._timeout, self._timeout_total = timeout, timeout_total
        self._tls = _tls(ca_file) if self._url.scheme == "https" else None

    def fetch(self) -> bytes:
        """See `domain.ports.web_keys.WebKeys`."""
        connection, end = self._connection(), time.monotonic() + self._timeout_total
        answers: SimpleQueue[bytes | Exception] = SimpleQueue()

        def get() -> None:
            try:
                answers.put(self._get(connection, end))
            except Exception as error:  # it is the waiting thread's to raise
                answers.put(error)

        # The look-up of a name has no timeout of its own, and a server can send letter by letter.
        threading.Thread(target=get, name="web-keys", daemon=True).start()
        try:
            answer = answers.get(timeout=self._timeout_total)
        except Empty:
            _cut(connection.sock)
            raise Unavailable("The issuer's keys could not be fetched in time") from None
        if isinstance(answer, OSError | HTTPError | HTTPException | ValueError):
            raise Unavailable("The issuer's keys cannot be fetched") from answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _connection(self) -> HTTPConnection:
        host = self._url.hostname or ""
        if self._tls is None:
            return HTTPConnection(host, self._url.port or 80, timeout=self._timeout)
        return HTTPSConnection(host, self._url.port or 443, timeout=self._timeout, ssl_context=self._tls)

    def _get(self, connection: HTTPConnection, end: float) -> bytes:
        try:
            connection.connect()
            if time.monotonic() >= end:
                raise TimeoutError
            path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
            headers = {"User-Agent": "PrintPipe", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
            connection.request("GET", path, headers=headers, preload_content=False, decode_content=False)
            response = connection.getresponse()
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
                raise ValueError("compressed, though it was asked not to be")
            body = response.read(_LONGEST + 1)
            if len(body) > _LONGEST:
                raise ValueError(f"longer than {_LONGEST} bytes")
            return body
        finally:
            connection.close()


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _cut(connected: socket | None) -> None:
    if connected is None:
        return
    try:
        # Not SSLSocket.shutdown: that would take the TLS layer away under the reading thread.
        socket.shutdown(connected, SHUT_RDWR)
    except OSError:
        return
