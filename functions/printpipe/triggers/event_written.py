"""A document was written in `printer_events`: says so on `hms-events` or `job-events`, by what the event is about.

An event is told of when it is stored, and again when it gets its picture.
"""

from collections.abc import Mapping
from typing import Any

from printpipe.domain.messages import HmsEvent, JobEvent, Message
from printpipe.services import announcements
from printpipe.services.context import Context
from printpipe.triggers.change import Change

_HMS = frozenset({"hms_error", "hms_cleared"})
_UNTOLD = frozenset({"status_update"})
"""What printers report again and again, and nobody follows."""


def handle(change: Change, context: Context) -> None:
    """Publishes."""
    event = change.after
    if event is None or event["eventType"] in _UNTOLD:
        return
    pictured = event.get("image") is not None
    if change.before is not None and (change.before.get("image") is not None or not pictured):
        return
    announcements.announce(context, _message(change, event, pictured, context))


def _message(change: Change, event: Mapping[str, Any], pictured: bool, context: Context) -> Message:
    told: dict[str, Any] = {
        "event_id": change.event_id,
        "kind": event["eventType"],
        "organization_id": event["organizationId"],
        "recipient_id": event.get("recipientId"),
        "printer_serial": event.get("printerSerial"),
        "occurred_at": event.get("occurredAt") or context.now(),
        "request_id": context.request_id,
        "traceparent": event.get("traceparent") or "",
        "job_id": event.get("printJobId"),
        "printer_event_id": change.id,
        "has_picture": pictured,
    }
    if event["eventType"] not in _HMS:
        return JobEvent(about="print", status=event.get("eventStatus"), reason=event.get("message"), **told)
    read = event.get("hms") or {}
    return HmsEvent(hms_code=read.get("hmsCode"), severity=read.get("severity"), **told)
