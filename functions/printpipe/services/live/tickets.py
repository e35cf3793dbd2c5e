"""Tickets for those who cannot send a header, as a browser that opens a WebSocket: short-lived, and good once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from printpipe.domain.errors import Forbidden, Unauthenticated
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Create, Delete, Document, Documents, PreconditionFailed
from printpipe.domain.records import UnknownSchema
from printpipe.domain.tenancy import Caller
from printpipe.domain.tickets import SocketTicket
from printpipe.services.context import Context

LIFETIME = timedelta(seconds=30)

_BYTES = 32
_LONGEST = 128
_REFUSED = "The ticket is not valid, or not any longer"


@dataclass(frozen=True)
class Ticket:
    """A ticket, which is shown once, and when it ends."""

    text: str
    expires_at: datetime


def create(context: Context) -> Ticket:
    """A ticket that stands for its caller."""
    text, caller, now = secrets.token_urlsafe(_BYTES), context.caller, context.now()
    stored = SocketTicket(
        organization_id=context.tenant,
        caller=caller.name,
        key_id=caller.key_id,
        user_id=caller.user_id,
        recipient_ids=None if caller.recipient_ids is None else tuple(sorted(caller.recipient_ids)),
        scopes=None if caller.scopes is None else tuple(sorted(caller.scopes)),
        created_at=now,
        expires_at=now + LIFETIME,
    )
    context.documents.commit(Create(_path(context.collections, text), stored.data()))
    return Ticket(text, stored.expires_at)


def redeem(documents: Documents, collections: Collections, now: datetime, text: str, scope: str | None) -> Caller:
    """For whom a ticket was made; it is used up then.

    Raises `Unauthenticated` for one that was used, has expired or never was, and `Forbidden` where its caller lacks
    the scope.
    """
    document = documents.get(_path(collections, text)) if len(text) <= _LONGEST else None
    if document is None:
        raise Unauthenticated(_REFUSED)
    try:
        documents.commit(Delete(document.path, document.version))  # of two at once, one
    except PreconditionFailed:
        raise Unauthenticated(_REFUSED) from None
    ticket = _read(document)
    if ticket.expires_at <= now:
        raise Unauthenticated(_REFUSED)
    caller = Caller(
        ticket.caller,
        ticket.key_id,
        ticket.organization_id,
        None if ticket.recipient_ids is None else frozenset(ticket.recipient_ids),
        None if ticket.scopes is None else frozenset(ticket.scopes),
        ticket.user_id,
    )
    if scope is not None and not caller.may(scope):
        raise Forbidden(f"This ticket lacks the scope {scope}")
    return caller


def _read(document: Document) -> SocketTicket:
    try:
        return SocketTicket.of(document)
    except (ValidationError, UnknownSchema):
        raise Unauthenticated(_REFUSED) from None


def _path(collections: Collections, text: str) -> str:
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    return f"{collections.socket_tickets}/{digest}"
