"""Remote files over HTTPS, fetched so that no caller can reach into a network through us.

A URL passes only where its host is on the allow-list and every address of that host is a public one; the connection
then goes to an address that was checked, not to the name again, while the certificate must be the name's. Every
redirect passes the same checks.
"""

import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast
from urllib.parse import unquote, urljoin, urlsplit

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from printpipe.adapters.pinned_https import Deadline, PinnedHttps, resolve
from printpipe.domain.errors import InvalidInput, TooLarge
from printpipe.domain.ports.remote import RemoteFile
from printpipe.domain.print_files import check_file_name
from printpipe.domain.web_addresses import Address, AllowList, is_public_address

_FIELD = "gcodeUrl"
_REDIRECTS: Final = 3
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_PIECE = 64 << 10
_IN_MEMORY = 8 << 20

# RFC 6266: `filename*` in UTF-8 goes before `filename`.
_NAME_ENCODED = re.compile(r";\s*filename\*\s*=\s*utf-8'[^';]*'([^;\s]+)", re.IGNORECASE)
_NAME_PLAIN = re.compile(r";\s*filename\s*=\s*(?:\"([^\"\\]*)\"|([^;\s\"]+))", re.IGNORECASE)


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
        refusal = "The URL's host is not one that files may be fetched from."
        self._allowed = AllowList.of(allowed_hosts, field=_FIELD, refusal=refusal)
        self._timeout_total = timeout_total
        self._https = PinnedHttps(
            connect_timeout=connect_timeout, ca_file=ca_file, resolver=resolver, address_check=address_check
        )

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
        deadline = Deadline(self._timeout_total)
        target = self._allowed.permitted(url)
        try:
            for _ in range(_REDIRECTS + 1):
                with self._https.answer("GET", target, deadline) as response:
                    if response.status in _REDIRECT_STATUSES:
                        target = self._allowed.permitted(_redirected(target.url, response))
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
            raise _interrupted(deadline, error) from error
        raise _refused(f"The URL redirects more than {_REDIRECTS} times.")


def _interrupted(deadline: Deadline, error: Exception) -> InvalidInput:
    if deadline.passed:
        return _refused("The file could not be fetched in time.")
    if isinstance(error, HTTPError | HTTPException | ValueError):
        return _refused("The file could not be fetched: its host does not answer properly.")
    return _refused("The file could not be fetched: its host is out of reach.")


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, field=_FIELD)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The file at the URL is larger than {limit} bytes.", field=_FIELD)


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
