"""A document was created in `files`: says so on `file-events`."""

from printpipe.domain.messages import FileEvent
from printpipe.services import announcements
from printpipe.services.context import Context
from printpipe.triggers.change import Change


def handle(change: Change, context: Context) -> None:
    """Publishes."""
    file = change.after
    if file is None:
        return
    announcements.announce(
        context,
        FileEvent(
            event_id=change.event_id,
            kind="file_created",
            organization_id=file["organizationId"],
            recipient_id=file.get("recipientId"),
            occurred_at=file.get("createdAt") or context.now(),
            request_id=context.request_id,
            traceparent=file.get("traceparent") or "",
            file_id=change.id,
            file_name=file["fileName"],
            file_kind=file["kind"],
            size=int(file["size"]),
        ),
    )
