"""HTTPS to servers that somebody else named, so that no caller can reach into a network through us.

Every address of the host must be a public one; the connection then goes to an address that was checked, not to the name
again, while the certificate must be the name's.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import SHUT_RDWR, SOCK_STREAM, getaddrinfo, socket

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from printpipe.domain.web_addresses import HTTPS_PORT, Address, Target, is_public_address

_ADDRESSES_TRIED = 4


def resolve(host: str) -> Sequence[Address]:
    """All of the name's addresses, from the system's resolver. Raises `OSError`."""
    found = getaddrinfo(host, HTTPS_PORT, type=SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class Deadline:
    """A moment, given in seconds from now, by which everything must be over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until it passes. Raises `TimeoutError` when it has."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @property
    def passed(self) -> bool:
        """Whether it has."""
        return time.monotonic() >= self._end


class PinnedHttps:
    """Connections to the checked addresses of a name.

    `connect_timeout`, in seconds, bounds each look-up, connection and handshake, `read_timeout` each wait for the
    server after that; a deadline bounds the whole. `ca_file` replaces the system's certificate authorities. `resolver`
    and `address_check` stand in for the network where a test needs its own.
    """

    def __init__(
        self,
        *,
        connect_timeout: float,
        read_timeout: float = float("inf"),
        ca_file: Path | None = None,
        resolver: Callable[[str], Sequence[Address]] = resolve,
        address_check: Callable[[Address], bool] = is_public_address,
    ) -> None:
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.set_alpn_protocols(["http/1.1"])
        self._resolver = resolver
        self._is_public = address_check

    def addresses(self, target: Target, deadline: Deadline) -> Sequence[Address]:
        """The host's addresses, all of them public. The look-up has no timeout of its own, so it gets a thread.

        Raises `InvalidInput` where it has none, or another one, and `TimeoutError`.
        """
        answers: SimpleQueue[Sequence[Address] | OSError] = SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(self._resolver(target.host))
            except OSError as error:
                answers.put(error)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        try:
            found = answers.get(timeout=min(self._connect_timeout, deadline.left()))
        except Empty:
            raise TimeoutError from None
        if isinstance(found, OSError) or not found or not all(map(self._is_public, found)):
            # One answer for both: which names our own network has is nobody's business.
            raise target.refused("The URL's host is unknown, or not a public one.")
        return found

    @contextmanager
    def answer(
        self,
        method: str,
        target: Target,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Iterator[BaseHTTPResponse]:
        """The answer's head, its body still to be read. When the deadline passes, the connection is cut.

        Raises what `addresses` does, `OSError` (`ssl.SSLError` among them), and what urllib3 and `http.client` do.
        """
        connection = self._connect(target, deadline)
        cut = threading.Timer(deadline.left(), _cut, [connection.sock])
        cut.daemon = True
        cut.start()
        try:
            sent = {
                "Host": target.authority,
                "User-Agent": "PrintPipe",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
                **(headers or {}),
            }
            connection.timeout = min(self._read_timeout, deadline.left())
            connection.request(method, target.path, body, sent, preload_content=False, decode_content=False)
            response = connection.getresponse()
            deadline.left()
            try:
                yield response
            finally:
                response.close()
        finally:
            cut.cancel()
            connection.close()

    def _connect(self, target: Target, deadline: Deadline) -> HTTPSConnection:
        failure: Exception = OSError("no address")
        for address in self.addresses(target, deadline)[:_ADDRESSES_TRIED]:
            connection = HTTPSConnection(
                str(address),
                target.port,
                timeout=min(self._connect_timeout, deadline.left()),
                ssl_context=self._tls,
                server_hostname=target.host,
            )
            try:
                connection.connect()
                return connection
            except ssl.SSLError:
                connection.close()
                raise
            except (OSError, HTTPError) as error:
                connection.close()
                failure = error
        if isinstance(failure, HTTPError):
            raise OSError("no connection") from failure
        raise failure


def _cut(connected: socket) -> None:
    try:
        # Not SSLSocket.shutdown: that would take the TLS layer away under the reading thread.
        socket.shutdown(connected, SHUT_RDWR)
    except OSError:
        return
