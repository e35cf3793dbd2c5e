"""Calls that are made again: what the first one created is found by its id, and must have been asked for likewise."""

from datetime import timedelta

from printpipe.domain.errors import Conflict
from printpipe.domain.ids import Once
from printpipe.domain.ports.documents import Document
from printpipe.services.context import Context

LIFETIME = timedelta(hours=24)


def find(context: Context, path: str, once: Once, lifetime: timedelta | None = LIFETIME) -> Document | None:
    """What an earlier call with this key created at `path`; None without a key, or where this is the first.

    Raises `Conflict` where the earlier call asked for something else, or is older than `lifetime`: its answer
    may not be true any more.
    """
    document = context.documents.get(path) if once.key is not None else None
    if document is not None and document.data.get("requestDigest") != once.mark:
        raise Conflict("This idempotency key was used for another request", field="Idempotency-Key")
    if document is not None and lifetime is not None and context.now() - document.data["createdAt"] > lifetime:
        raise Conflict("This idempotency key was used more than 24 hours ago", field="Idempotency-Key")
    return document
