"""Who calls, and whose site a recipient is."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Caller:
    """The holder of a credential.

    `key_id` names its key without telling it. Without an `organization_id` it is the operator (every organization);
    `recipient_ids` and `scopes` narrow it further, None meaning all.
    """

    name: str
    key_id: str | None = None
    organization_id: str | None = None
    recipient_ids: frozenset[str] | None = None
    scopes: frozenset[str] | None = None


NOBODY = Caller("anonymous", None, organization_id="", recipient_ids=frozenset(), scopes=frozenset())
"""A call without a credential."""


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
