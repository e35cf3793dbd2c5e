"""A document was changed in `printer_commands`: says on `job-events` where the command has ended."""

from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.messages import JobEvent
from printpipe.services import announcements
from printpipe.services.context import Context
from printpipe.triggers.change import Change

_UNDER_WAY = frozenset({CommandStatus.PENDING, CommandStatus.PROCESSING})


def handle(change: Change, context: Context) -> None:
    """Publishes, of a command that has ended or of which nobody knows how it did."""
    before, after = change.before, change.after
    if before is None or after is None or before["status"] == after["status"] or after["status"] in _UNDER_WAY:
        return
    announcements.announce(
        context,
        JobEvent(
            event_id=change.event_id,
            kind=f"command_{after['status']}",
            organization_id=after["organizationId"],
            recipient_id=after.get("recipientId"),
            printer_id=after.get("printerId"),
            printer_serial=after.get("printerSerial"),
            occurred_at=after.get("completedAt") or context.now(),
            request_id=context.request_id,
            traceparent=after.get("traceparent") or "",
            about="command",
            job_id=after.get("jobId"),
            status=str(after["status"]),
            former=str(before["status"]),
            reason=after.get("errorMessage") or after.get("message"),
            command_id=change.id,
            command_type=after.get("type"),
            command_lane=after.get("lane"),
        ),
    )
