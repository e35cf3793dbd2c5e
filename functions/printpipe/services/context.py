"""Everything that a service needs of the call that it serves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from printpipe.domain import tracing
from printpipe.domain.errors import Forbidden, NotFound
from printpipe.domain.policy import Collections, Policy
from printpipe.domain.ports.documents import Documents
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import Caller, Recipient
from printpipe.services.access.directory import Directory
from printpipe.services.health import Pulse
from printpipe.services.printers.memory import Memory


@dataclass(frozen=True)
class Context:
    """One call: who makes it, from which address and under which id, with which ports and policy, at what time."""

    caller: Caller
    request_id: str
    address: str | None
    clock: Callable[[], datetime]
    platform: Platform
    policy: Policy
    directory: Directory
    pulse: Pulse = field(default_factory=Pulse)
    memory: Memory = field(default_factory=Memory)

    @property
    def documents(self) -> Documents:
        """The document store."""
        return self.platform.documents

    @property
    def collections(self) -> Collections:
        """The collections' names."""
        return self.policy.collections

    @property
    def tenant(self) -> str:
        """The caller's organization. Raises `Forbidden` for a caller that has none."""
        if self.caller.organization_id is None:
            raise Forbidden("Only a member of an organization may do this")
        return self.caller.organization_id

    @property
    def traceparent(self) -> str:
        """The trace context that what the call brings about belongs to; empty where there is none."""
        return tracing.here()

    def now(self) -> datetime:
        """The present, in UTC, to the millisecond: what is stored is what is shown."""
        moment = self.clock()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def require(self, scope: str) -> None:
        """Raises `Forbidden` where the caller's key lacks a scope beyond the one that its route needs."""
        if not self.caller.may(scope):
            raise Forbidden(f"This key lacks the scope {scope}")

    def recipient(self, recipient_id: str) -> Recipient:
        """The recipient, if the caller may act for it.

        Raises `NotFound` for one that is unknown or of another organization, `Forbidden` for one of the caller's own
        organization that its key does not name.
        """
        recipient = self.directory.recipient(recipient_id)
        organization = self.caller.organization_id
        if recipient is None or organization not in (None, recipient.organization_id):
            raise NotFound("No such recipient", field="recipientId")
        allowed = self.caller.recipient_ids
        if allowed is not None and recipient.id not in allowed:
            raise Forbidden("This key is not for that recipient", field="recipientId")
        return recipient

    def agents_site(self, recipient_id: str) -> Recipient:
        """The recipient for its agent, as `recipient` has it: one that is remembered without an agent may have one now.

        Enrolment gives it one, and the agent asks at once.
        """
        recipient = self.recipient(recipient_id)
        if recipient.has_agent:
            return recipient
        self.directory.forget(recipient_id)
        return self.recipient(recipient_id)
