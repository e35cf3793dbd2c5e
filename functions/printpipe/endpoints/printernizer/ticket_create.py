"""POST /api/v1/ws/ticket: a ticket for the WebSocket or the stream of events."""

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.endpoints.call import Call
from printpipe.services.live import tickets
from printpipe.services.live.tickets import LIFETIME


class Arguments(printernizer.Model):
    """The query."""


class Created(printernizer.Reply):
    """A ticket, which is shown once and good once."""

    ticket: str = Field(description="for the query of GET /ws or GET /api/v1/events")
    expires_in: int = Field(description="seconds")
    expires_at: printernizer.Time


def post(call: Call, query: Arguments) -> Created:
    """Makes a ticket for callers that cannot send a header there, as browsers."""
    ticket = tickets.create(call.context)
    return Created(ticket=ticket.text, expires_in=int(LIFETIME.total_seconds()), expires_at=ticket.expires_at)
