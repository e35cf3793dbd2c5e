"""A document was changed in `print_jobs`: where a run has ended, the queue is served with the printer that it left."""

from collections.abc import Mapping
from typing import Any

from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.services.context import Context
from printpipe.services.jobs import dispatch
from printpipe.triggers.change import Change


def handle(change: Change, context: Context) -> None:
    """Serves the organization's queue; whoever did so before has left nothing to do."""
    if change.before is None or change.after is None:
        return
    if _occupies(change.before) and not _occupies(change.after):
        dispatch.serve(context, change.after["organizationId"])


def _occupies(job: Mapping[str, Any]) -> bool:
    return bool(JOBS[JobStatus(job["status"])]) and job.get("commandId") is not None
