"""The signs of life of a site's client."""

from printpipe.domain.errors import NotFound
from printpipe.domain.ports.documents import DocumentMissing, Update
from printpipe.services.context import Context


def beat(context: Context, recipient_id: str, client_version: str | None) -> None:
    """Notes that the client is there, at most every two minutes (`memory.HEARTBEAT_EVERY`); reads nothing."""
    recipient, now = context.recipient(recipient_id), context.now()
    pace = context.memory.heartbeats
    if not pace.due(recipient.id, now):
        return
    version = {"clientVersion": client_version} if client_version is not None else {}
    try:
        context.documents.commit(
            Update(f"{context.collections.recipients}/{recipient.id}", {"lastSeenAt": now, **version})
        )
    except DocumentMissing:
        raise NotFound("No such recipient", field="recipientId") from None
    except Exception:
        pace.undone(recipient.id)
        raise
