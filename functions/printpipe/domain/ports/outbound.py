"""Requests to other people's servers, at an address that a tenant chose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Answer:
    """What a server answered: its status, and its headers by their names in lower case. The body is not read."""

    status: int
    headers: Mapping[str, str]


class NotDelivered(Exception):
    """A request or a letter did not arrive, as far as is known; the message names no more than the host."""


class Outbound(Protocol):
    """Posts over HTTPS to checked addresses, closed by default: only `hosts` are asked, and no redirect is followed.

    `hosts` holds names: `hooks.example.org`, `*.example.org` (any name below it), or either with `:port`; without one
    the port is 443. `*` stands for every name at that port.
    """

    def check(self, url: str, hosts: frozenset[str]) -> None:
        """Raises `domain.errors.InvalidInput` with the field `address` where the URL is not one to post to.

        Its form, its host and that host's addresses are looked at; nothing is sent.
        """

    def post(self, url: str, body: bytes, headers: Mapping[str, str], hosts: frozenset[str]) -> Answer:
        """Sends the body and gives what was answered, whatever its status.

        Raises `domain.errors.InvalidInput` as `check` does, and `NotDelivered` where the server does not answer in
        time, or not properly.
        """
