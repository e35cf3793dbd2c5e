"""Who calls, and whose site a recipient is."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Literal

from printpipe.domain.scopes import OPERATOR_SCOPES, ORGANIZATION_SCOPES


@dataclass(frozen=True)
class Caller:
    """The holder of a credential.

    `key_id` names its key without telling it. Without an `organization_id` it is the operator (every organization);
    `recipient_ids` and `scopes` narrow it further, None meaning all. `user_id` is that of a person with a token.
    """

    name: str
    key_id: str | None = None
    organization_id: str | None = None
    recipient_ids: frozenset[str] | None = None
    scopes: frozenset[str] | None = None
    user_id: str | None = None

    def client(self, address: str | None) -> str:
        """By what its calls are counted: its key, its user, or the address that the platform vouches for."""
        if self.key_id is not None:
            return f"key {self.key_id}"
        if self.user_id is not None:
            return f"user {self.organization_id} {self.user_id}"
        return f"address {_network(address)}"

    def may(self, scope: str) -> bool:
        """Whether the credential is good for what needs that scope."""
        if self.organization_id is not None and scope in OPERATOR_SCOPES:
            return False
        return self.scopes is None or scope in self.scopes

    def may_grant(self, scopes: frozenset[str] | None) -> bool:
        """Whether it holds these scopes itself; None are all of an organization."""
        return self.scopes is None or (ORGANIZATION_SCOPES if scopes is None else scopes) <= self.scopes


def _network(address: str | None) -> str:
    """What one caller has of addresses: a single one of IPv4, of IPv6 a network of 2^64 (RFC 6177)."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return str(address)
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((found, 64), strict=False))


NOBODY = Caller("anonymous", None, organization_id="", recipient_ids=frozenset(), scopes=frozenset())
"""A call without a credential."""

SYSTEM = Caller("system")
"""The functions that nobody calls: those of events and schedules, for every organization."""

OPERATOR_NAME = "operator"
"""What the operator's own keys are called."""

USER_PREFIX = "user:"
"""With which the names of callers by token begin."""

RESERVED_NAMES = frozenset({OPERATOR_NAME, SYSTEM.name, NOBODY.name})
"""Callers' names that no organization's key may bear."""


@dataclass(frozen=True)
class Recipient:
    """A LAN site of an organization; its one client is the deployed LAN client or our edge agent."""

    id: str
    organization_id: str
    client: Literal["lan_client", "agent"]

    @property
    def has_agent(self) -> bool:
        """Whether commands go to our edge agent over the bus, and not to the polling LAN client."""
        return self.client == "agent"
