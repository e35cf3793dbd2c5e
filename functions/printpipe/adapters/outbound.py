"""Requests to tenants' own receivers over HTTPS: checked as URLs of files are, and without following any redirect."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from urllib3.exceptions import HTTPError

from printpipe.adapters.pinned_https import Deadline, PinnedHttps, resolve
from printpipe.domain.ports.outbound import Answer, NotDelivered
from printpipe.domain.web_addresses import Address, AllowList, Target, is_public_address

_FIELD = "address"
_REFUSAL = "The URL's host is not one that notifications may be sent to."


class HttpsOutbound:
    """`domain.ports.outbound.Outbound` on urllib3.

    `timeout_total` bounds a whole request, `timeout` each look-up, connection, handshake and wait for the server; both
    are in seconds. `ca_file`, `resolver` and `address_check` are as for `PinnedHttps`.
    """

    def __init__(
        self,
        *,
        timeout_total: float = 15.0,
        timeout: float = 8.0,
        ca_file: Path | None = None,
        resolver: Callable[[str], Sequence[Address]] = resolve,
        address_check: Callable[[Address], bool] = is_public_address,
    ) -> None:
        self._timeout_total = timeout_total
        self._timeout = timeout
        self._https = PinnedHttps(
            connect_timeout=timeout,
            read_timeout=timeout,
            ca_file=ca_file,
            resolver=resolver,
            address_check=address_check,
        )

    def check(self, url: str, hosts: frozenset[str]) -> None:
        """See `domain.ports.outbound.Outbound`."""
        target = _permitted(url, hosts)
        try:
            self._https.addresses(target, Deadline(self._timeout))
        except TimeoutError:
            raise target.refused("The URL's host could not be looked up in time.") from None

    def post(self, url: str, body: bytes, headers: Mapping[str, str], hosts: frozenset[str]) -> Answer:
        """See `domain.ports.outbound.Outbound`."""
        target = _permitted(url, hosts)
        deadline = Deadline(self._timeout_total)
        try:
            with self._https.answer("POST", target, deadline, headers, body) as response:
                return Answer(response.status, {name.lower(): value for name, value in response.headers.items()})
        except (OSError, HTTPError, HTTPException, ValueError) as error:
            raise NotDelivered(f"{target.host} {_failing(deadline, error)}.") from error


def _permitted(url: str, hosts: frozenset[str]) -> Target:
    return AllowList.of(hosts, field=_FIELD, refusal=_REFUSAL, may_be_open=True).permitted(url)


def _failing(deadline: Deadline, error: Exception) -> str:
    if deadline.passed or isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, ssl.SSLError):
        return "has no valid certificate, or speaks no TLS that we do"
    if isinstance(error, HTTPError | HTTPException | ValueError):
        return "does not answer properly"
    return "is out of reach"
