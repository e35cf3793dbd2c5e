"""A document was written in `print_jobs`: says on `job-events` what has become of the job.

Only that a job is new, stands otherwise than before, or has ended and was corrected or deleted is worth telling; the
progress of a print is not. What the event tells is not checked here: whoever follows it reads the job itself.
"""

from collections.abc import Mapping
from typing import Any

from printpipe.domain.lifecycles import ENDED_JOBS
from printpipe.domain.messages import JobEvent
from printpipe.services import announcements
from printpipe.services.context import Context
from printpipe.triggers.change import Change

_COUNTED = (
    "endedAt",
    "startedAt",
    "deletedAt",
    "isBusiness",
    "costs",
    "consumption",
    "printerId",
    "fileId",
    "runs",
)
"""The fields of an ended job that statistics go by."""


def handle(change: Change, context: Context) -> None:
    """Publishes where there is something to tell."""
    freed = _occupies(change.before) and not _occupies(change.after)
    kind, job = _kind(change.before, change.after, freed), change.after
    if kind is None or job is None:
        return
    announcements.announce(
        context,
        JobEvent(
            event_id=change.event_id,
            kind=kind,
            organization_id=job["organizationId"],
            recipient_id=job.get("recipientId"),
            printer_id=job.get("printerId"),
            printer_serial=job.get("printerSerial"),
            occurred_at=job.get("updatedAt") or context.now(),
            request_id=context.request_id,
            traceparent=job.get("traceparent") or "",
            about="job",
            job_id=change.id,
            status=str(job["status"]),
            former=str(change.before["status"]) if change.before else None,
            run=int(job.get("run") or 0),
            reason=job.get("reason"),
            freed=freed,
            updated_at=job.get("updatedAt"),
        ),
    )


def _kind(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, freed: bool) -> str | None:
    if after is None:
        return None  # what is removed because it is old was counted rightly
    if before is None:
        return "job_created"
    if freed or before["status"] != after["status"] or before.get("run") != after.get("run"):
        return f"job_{after['status']}"
    if after["status"] in ENDED_JOBS and any(before.get(name) != after.get(name) for name in _COUNTED):
        return "job_deleted" if after.get("deletedAt") else "job_corrected"
    return None


def _occupies(job: Mapping[str, Any] | None) -> bool:
    """Whether a start for a printer was ordered that has not ended."""
    return job is not None and job["status"] not in ENDED_JOBS and job.get("commandId") is not None
