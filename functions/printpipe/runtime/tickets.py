"""Tickets as credentials."""

from printpipe.domain.tenancy import Caller
from printpipe.runtime.process import Process
from printpipe.services.live import tickets


def redeem(running: Process, ticket: str, scope: str | None) -> Caller:
    """For whom a ticket was made; see `services.live.tickets`."""
    return tickets.redeem(running.platform.documents, running.policy.collections, running.clock(), ticket, scope)
