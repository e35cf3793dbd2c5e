"""One sent request on its way: notes the broker's confirmation and the printer's acknowledgement as they come."""

from edge_agent.drivers.bambu.commands import Request
from edge_agent.drivers.bambu.link import Ticket
from edge_agent.drivers.bambu.session import Session
from edge_agent.execution import Run
from edge_agent.steps import Step
from edge_agent.timestamps import Clock


def send(run: Run, session: Session, request: Request) -> Ticket:
    """Send the request on behalf of the run. Raises NotConnected: then nothing was sent."""
    run.reach(Step.SENDING)
    ticket = session.send(request)
    run.reach(Step.HANDED_OVER)
    return ticket


class Sent:
    """What has become of a ticket, and what of it the run has been told."""

    def __init__(self, run: Run, ticket: Ticket, clock: Clock) -> None:
        self.ticket = ticket
        self.published = False
        self.acknowledged = False
        self.accepted = False
        """Whether the acknowledgement says so, rather than merely repeating the request."""
        self.acknowledged_at = 0.0
        self._run = run
        self._clock = clock

    @property
    def has_news(self) -> bool:
        """Whether `note` would have something to do."""
        ack = self.ticket.ack is not None
        return (not self.published and (self.ticket.confirmed or ack)) or (not self.acknowledged and ack)

    @property
    def lost(self) -> bool:
        """Whether the connection it was sent on has ended."""
        return self.ticket.link.ended

    def note(self) -> str | None:
        """Tell the run what is new; a refusal by the printer is returned."""
        self._run.check_halted()
        ack = self.ticket.ack
        if not self.published and (self.ticket.confirmed or ack is not None):
            self.published = True
            self._run.published()
        if ack is None or self.acknowledged:
            return None
        self.acknowledged = True
        self.accepted = ack.accepted is True
        self.acknowledged_at = self._clock.monotonic()
        if ack.refusal is None:
            self._run.reach(Step.ACKNOWLEDGED)
        return ack.refusal
