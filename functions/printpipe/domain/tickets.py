"""Tickets, with which a browser opens what it cannot send a header to."""

from datetime import datetime

from printpipe.domain.records import Stored


class SocketTicket(Stored):
    """`socket_tickets/{digest}`: for whom a ticket was made; the ticket itself is stored nowhere.

    It is good once, and until `expires_at`, whenever it is removed. The rest says what its caller may do.
    """

    organization_id: str
    caller: str
    key_id: str | None = None
    user_id: str | None = None
    recipient_ids: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    created_at: datetime
    expires_at: datetime
