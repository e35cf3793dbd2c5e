"""Remote files over HTTPS, fetched so that no caller can reach into a network through us.

A URL passes only where its host is on the allow-list and every address of that host is a public one; the connection
then goes to an address that was checked, not to the name again, while the certificate must be the name's. Every
redirect passes the same checks.
"""

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import SHUT_RDWR, SOCK_STREAM, getaddrinfo, socket
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast
from urllib.parse import unquote, urljoin, urlsplit

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from printpipe.domain.errors import InvalidInput, TooLarge
from printpipe.domain.ports.remote import RemoteFile
from printpipe.domain.print_files import check_file_name

Address = IPv4Address | IPv6Address

_FIELD = "gcodeUrl"
_HTTPS_PORT = 443
_URL_LETTERS = 2_048
_HOST_LETTERS = 253
_REDIRECTS: Final = 3
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_ADDRESSES_TRIED = 4
_PIECE = 64 << 10
_IN_MEMORY = 8 << 20

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter: everything else is some notation of an IPv4 address.
_NAME = rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_URL = re.compile(r"https://([^/?#]*)(/[^?#]*)?(\?[^#]*)?(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(rf"({_NAME})(?::([0-9]{{1,5}}))?")
_ALLOWED = re.compile(rf"(\*\.)?({_NAME})(?::([0-9]{{1,5}}))?")
# RFC 6266: `filename*` in UTF-8 goes before `filename`.
_NAME_ENCODED = re.compile(r";\s*filename\*\s*=\s*utf-8'[^';]*'([^;\s]+)", re.IGNORECASE)
_NAME_PLAIN = re.compile(r";\s*filename\s*=\s*(?:\"([^\"\\]*)\"|([^;\s\"]+))", re.IGNORECASE)

# IANA's special-purpose registries, and what clouds serve to their own machines.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
        "240.0.0.0/4",
    )
)  # fmt: skip
# Global unicast without what stands for other networks in it: IETF assignments with Teredo, documentation, 6to4.
# IPv4-mapped, NAT64, unique local, link-local and multicast addresses lie outside 2000::/3.
_GLOBAL_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


def is_public_address(address: Address) -> bool:
    """Whether the address is one of the open internet: not private, local, shared, reserved, multicast or a tunnel."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)


def resolve(host: str) -> Sequence[Address]:
    """All of the name's addresses, from the system's resolver. Raises `OSError`."""
    found = getaddrinfo(host, _HTTPS_PORT, type=SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


@dataclass(frozen=True)
class _Target:
    url: str
    host: str
    port: int
    path: str


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until it passes. Raises `TimeoutError` when it has."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class HttpsRemoteFiles:
    """`domain.ports.remote.RemoteFiles` on urllib3.

    `allowed_hosts` holds names: `files.example.org`, `*.example.org` (any name below it), or either with `:port`;
    without one the port is 443. `timeout_total` bounds a whole fetch with its redirects, `connect_timeout` each
    look-up, connection and handshake; both are in seconds. `ca_file` replaces the system's certificate authorities.
    `resolver` and `address_check` stand in for the network where a test needs its own.
    """

    def __init__(
        self,
        allowed_hosts: frozenset[str],
        *,
        timeout_total: float = 60.0,
        connect_timeout: float = 5.0,
        ca_file: Path | None = None,
        resolver: Callable[[str], Sequence[Address]] = resolve,
        address_check: Callable[[Address], bool] = is_public_address,
    ) -> None:
        self._allowed = [_allowed(entry) for entry in sorted(allowed_hosts)]
        self._timeout_total = timeout_total
        self._connect_timeout = connect_timeout
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.set_alpn_protocols(["http/1.1"])
        self._resolver = resolver
        self._is_public = address_check

    @contextmanager
    def fetch(self, url: str, limit: int) -> Iterator[RemoteFile]:
        """See `domain.ports.remote.RemoteFiles`. The file is kept in memory up to 8 MiB, beyond that on disk."""
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            stream = cast(BinaryIO, spool)
            file_name, content_type = self._download(url, limit, stream)
            size = stream.tell()
            stream.seek(0)
            yield RemoteFile(stream, file_name, content_type, size)

    def _download(self, url: str, limit: int, into: BinaryIO) -> tuple[str, str]:
        deadline = _Deadline(self._timeout_total)
        target = self._permitted(url)
        try:
            for _ in range(_REDIRECTS + 1):
                with self._answer(target, deadline) as response:
                    if response.status in _REDIRECT_STATUSES:
                        target = self._permitted(_redirected(target.url, response))
                        continue
                    _check_answer(response, limit)
                    _copy(response, limit, into)
                    deadline.left()
                    _check_complete(response, into.tell())
                    return _file_name(response, url, target.url), response.headers.get("content-type", "")
        except ssl.SSLError as error:
            raise _refused("The URL's host has no valid certificate, or speaks no TLS that we do.") from error
        except TimeoutError as error:
            raise _refused("The file could not be fetched in time.") from error
        except (OSError, HTTPError, HTTPException, ValueError) as error:
            raise self._interrupted(deadline, error) from error
        raise _refused(f"The URL redirects more than {_REDIRECTS} times.")

    def _interrupted(self, deadline: _Deadline, error: Exception) -> InvalidInput:
        try:
            deadline.left()
        except TimeoutError:
            return _refused("The file could not be fetched in time.")
        if isinstance(error, HTTPError | HTTPException | ValueError):
            return _refused("The file could not be fetched: its host does not answer properly.")
        return _refused("The file could not be fetched: its host is out of reach.")

    def _permitted(self, url: str) -> _Target:
        """Where the URL leads. Raises `InvalidInput` where it may not lead there."""
        if len(url) > _URL_LETTERS or any(not "!" <= letter <= "~" or letter == "\\" for letter in url):
            raise _refused(f"The URL must be plain ASCII without spaces, of at most {_URL_LETTERS} letters.")
        parsed = _URL.fullmatch(url)
        if not parsed:
            raise _refused("The URL must begin with https://.")
        if "@" in parsed[1]:
            raise _refused("The URL must not hold a user name or password.")
        authority = _AUTHORITY.fullmatch(parsed[1].lower())
        if not authority or len(authority[1]) > _HOST_LETTERS:
            raise _refused("The URL's host must be a name, not an address.")
        host, port = authority[1], int(authority[2] or _HTTPS_PORT)
        if not any(port == open_port and matches(host) for matches, open_port in self._allowed):
            raise _refused("The URL's host is not one that files may be fetched from.")
        return _Target(url, host, port, (parsed[2] or "/") + (parsed[3] or ""))

    def _addresses(self, target: _Target, deadline: _Deadline) -> Sequence[Address]:
        """The host's addresses, all of them public. The look-up has no timeout of its own, so it gets a thread."""
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
        if isinstance(found, OSError) or not found:
            raise _refused("The URL's host is unknown.")
        if not all(self._is_public(address) for address in found):
            raise _refused("The URL's host is not a public one.")
        return found

    @contextmanager
    def _answer(self, target: _Target, deadline: _Deadline) -> Iterator[BaseHTTPResponse]:
        """The answer's head, its body still to be read. When the deadline passes, the connection is cut."""
        connection = self._connect(target, deadline)
        cut = threading.Timer(deadline.left(), _cut, [connection.sock])
        cut.daemon = True
        cut.start()
        try:
            host = target.host if target.port == _HTTPS_PORT else f"{target.host}:{target.port}"
            headers = {
                "Host": host,
                "User-Agent": "PrintPipe",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            }
            connection.timeout = deadline.left()
            connection.request("GET", target.path, headers=headers, preload_content=False, decode_content=False)
            response = connection.getresponse()
            deadline.left()
            try:
                yield response
            finally:
                response.close()
        finally:
            cut.cancel()
            connection.close()

    def _connect(self, target: _Target, deadline: _Deadline) -> HTTPSConnection:
        failure: Exception = OSError("no address")
        for address in self._addresses(target, deadline)[:_ADDRESSES_TRIED]:
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


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, field=_FIELD)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The file at the URL is larger than {limit} bytes.", field=_FIELD)


def _allowed(entry: str) -> tuple[Callable[[str], bool], int]:
    """An entry of the allow-list as a test of the name, and its port. Raises `ValueError`."""
    parsed = _ALLOWED.fullmatch(entry.strip().lower())
    if not parsed or not 0 < int(parsed[3] or _HTTPS_PORT) < 65_536:
        raise ValueError(f"not a host that files can be fetched from: {entry!r}")
    name, port = parsed[2], int(parsed[3] or _HTTPS_PORT)
    if parsed[1]:
        return lambda host: host.endswith(f".{name}"), port
    return lambda host: host == name, port


def _cut(connected: socket) -> None:
    try:
        # Not SSLSocket.shutdown: that would take the TLS layer away under the reading thread.
        socket.shutdown(connected, SHUT_RDWR)
    except OSError:
        return


def _redirected(url: str, response: BaseHTTPResponse) -> str:
    try:
        return urljoin(url, response.headers.get("location", ""))
    except ValueError:
        raise _refused("The URL redirects to something that is no URL.") from None


def _check_answer(response: BaseHTTPResponse, limit: int) -> None:
    if response.status != 200:
        raise _refused(f"The file could not be fetched: its host answers with status {response.status}.")
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _refused("The file's host sends it compressed, though it was asked not to.")
    if _is_chunked(response):
        return
    declared = response.headers.get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,18}", declared):
        raise _refused("The file's host does not say how long the file is.")
    if int(declared) > limit:
        raise _too_large(limit)


def _copy(response: BaseHTTPResponse, limit: int, into: BinaryIO) -> None:
    size = 0
    while piece := response.read1(_PIECE, decode_content=False):
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        into.write(piece)


def _check_complete(response: BaseHTTPResponse, size: int) -> None:
    if not _is_chunked(response) and size != int(response.headers["content-length"]):
        raise _refused("The file could not be fetched whole.")


def _is_chunked(response: BaseHTTPResponse) -> bool:
    return response.headers.get("transfer-encoding", "").strip().lower() == "chunked"


def _file_name(response: BaseHTTPResponse, *urls: str) -> str:
    """The first good name of those in the answer's head and the URLs, else the first of them at all."""
    disposition = response.headers.get("content-disposition", "")
    encoded, plain = _NAME_ENCODED.search(disposition), _NAME_PLAIN.search(disposition)
    candidates = [unquote(encoded[1]) if encoded else "", (plain[1] or plain[2]) if plain else ""]
    candidates += [unquote(urlsplit(url).path.rpartition("/")[2]) for url in urls]
    for candidate in candidates:
        try:
            return check_file_name(candidate)
        except InvalidInput:
            continue
    return next(filter(None, candidates), "")
