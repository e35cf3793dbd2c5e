"""Which URLs may be asked, and which addresses are the open internet's.

The servers that a caller names are told from those of our own network by the URL's form, by an allow-list of names, and
by the addresses that a name has.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Self

from printpipe.domain.errors import InvalidInput

Address = IPv4Address | IPv6Address

HTTPS_PORT = 443
ANY_HOST = "*"
"""In an allow-list that may be open: every name, at port 443."""

_URL_LETTERS = 2_048
_HOST_LETTERS = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter: everything else is some notation of an IPv4 address.
_NAME = rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_URL = re.compile(r"https://([^/?#]*)(/[^?#]*)?(\?[^#]*)?(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(rf"({_NAME})(?::([0-9]{{1,5}}))?")
_ALLOWED = re.compile(rf"(\*\.)?({_NAME})(?::([0-9]{{1,5}}))?")

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


@dataclass(frozen=True)
class Target:
    """Where a URL leads; `path` has the query with it. `field` is where a caller gave the URL."""

    url: str
    host: str
    port: int
    path: str
    field: str

    @property
    def authority(self) -> str:
        """The host, with the port where it is not the usual one."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"

    def refused(self, message: str) -> InvalidInput:
        """What to raise where it may not be asked."""
        return InvalidInput(message, field=self.field)


@dataclass(frozen=True)
class _Entry:
    name: str
    port: int
    below: bool

    @classmethod
    def of(cls, text: str) -> Self:
        parsed = _ALLOWED.fullmatch(text.strip().lower())
        if not parsed or not 0 < int(parsed[3] or HTTPS_PORT) < 65_536:
            raise ValueError(f"not a host that can be asked: {text!r}")
        return cls(parsed[2], int(parsed[3] or HTTPS_PORT), bool(parsed[1]))

    def allows(self, host: str, port: int) -> bool:
        return port == self.port and (host.endswith(f".{self.name}") if self.below else host == self.name)


@dataclass(frozen=True)
class AllowList:
    """The hosts that URLs in the field `field` may name; `refusal` is the message for the others."""

    field: str
    refusal: str
    entries: tuple[_Entry, ...]
    open_to_all: bool

    @classmethod
    def of(cls, hosts: Iterable[str], *, field: str, refusal: str, may_be_open: bool = False) -> Self:
        """From names: `files.example.org`, `*.example.org` (any name below it), or either with `:port` (else 443).

        Where the list `may_be_open`, it may hold `ANY_HOST`. Raises `ValueError` for anything else.
        """
        named = set(hosts)
        open_to_all = may_be_open and ANY_HOST in named
        entries = tuple(_Entry.of(host) for host in sorted(named - ({ANY_HOST} if open_to_all else set())))
        return cls(field, refusal, entries, open_to_all)

    def permitted(self, url: str) -> Target:
        """Where the URL leads. Raises `InvalidInput` where its form or its host is not allowed."""
        if len(url) > _URL_LETTERS or any(not "!" <= letter <= "~" or letter == "\\" for letter in url):
            raise self._refused(f"The URL must be plain ASCII without spaces, of at most {_URL_LETTERS} letters.")
        parsed = _URL.fullmatch(url)
        if not parsed:
            raise self._refused("The URL must begin with https://.")
        if "@" in parsed[1]:
            raise self._refused("The URL must not hold a user name or password.")
        authority = _AUTHORITY.fullmatch(parsed[1].lower())
        if not authority or len(authority[1]) > _HOST_LETTERS:
            raise self._refused("The URL's host must be a name, not an address.")
        host, port = authority[1], int(authority[2] or HTTPS_PORT)
        if not (self.open_to_all and port == HTTPS_PORT) and not any(each.allows(host, port) for each in self.entries):
            raise self._refused(self.refusal)
        return Target(url, host, port, (parsed[2] or "/") + (parsed[3] or ""), self.field)

    def _refused(self, message: str) -> InvalidInput:
        return InvalidInput(message, field=self.field)
