"""Calls that are made again: what the first one created is found by its id, and must have been asked for likewise.

What a call asked for is known by a digest. It is no part of what was created, which others may read, but lies in a mark
of its own (`records.Receipt`), written in the same batch.
"""

from datetime import datetime, timedelta

from printpipe.domain.errors import Conflict
from printpipe.domain.ids import Once
from printpipe.domain.ports.documents import Document, Put
from printpipe.domain.records import Receipt
from printpipe.services.context import Context

LIFETIME = timedelta(hours=24)


def path(context: Context, identity: str) -> str:
    """Where it is stored what a call asked for: under the id of what it created, or one that follows from its key."""
    return f"{context.collections.idempotency_keys}/{identity}"


def mark(context: Context, organization_id: str, once: Once, created: str) -> list[Put]:
    """The write that goes into the batch which creates the document at that path; none for a call without a key.

    Of two calls with one key it is that creation that lets only one succeed: a mark may outlast what was created.
    """
    if once.mark is None:
        return []
    now = context.now()
    receipt = Receipt(
        organization_id=organization_id,
        request_digest=once.mark,
        created=created,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    return [Put(_mark_of(context, created), receipt.data())]


def find(
    context: Context, created: str, once: Once, *others: str, lifetime: timedelta | None = LIFETIME
) -> Document | None:
    """What an earlier call with this key created at that path; None without a key, or where this is the first.

    `others` are paths with the same id where a call with this key may have created something instead. Raises `Conflict`
    where the earlier call asked for something else, or is older than `lifetime`: its answer may not be true any more.
    Where what it asked for is forgotten, it counts as the same.
    """
    if once.key is None:
        return None
    marked = _mark_of(context, created)
    found = context.documents.get_many([created, *others, marked])
    beside = found.pop(marked, None)
    for document in found.values():
        check(context, once, beside.data["requestDigest"] if beside else None, document.data["createdAt"], lifetime)
    return found.get(created)


def check(
    context: Context, once: Once, digest: str | None, created_at: datetime, lifetime: timedelta | None = LIFETIME
) -> None:
    """Raises `Conflict` where a call with the same key asked for something else, or is older than `lifetime`."""
    if digest not in (None, once.mark):
        raise Conflict("This idempotency key was used for another request", field="Idempotency-Key")
    if lifetime is not None and context.now() - created_at > lifetime:
        raise Conflict("This idempotency key was used more than 24 hours ago", field="Idempotency-Key")


def _mark_of(context: Context, created: str) -> str:
    return path(context, created.rsplit("/", 1)[-1])
