"""A document was written in `print_jobs`: where the job has ended, or had, the statistics are made to say what it says.

What the event tells of the job is looked at only to see whether it can matter: events are repeated, late and reordered.
A write before which and after which the job has not ended, as most are, changes no statistics.
"""

from collections.abc import Mapping
from typing import Any

from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.services.context import Context
from printpipe.services.statistics import counting
from printpipe.triggers.change import Change


def handle(change: Change, context: Context) -> None:
    """Counts the job as it stands now; what was counted already changes nothing."""
    if _has_ended(change.before) or _has_ended(change.after):
        counting.count(context, change.id)


def _has_ended(job: Mapping[str, Any] | None) -> bool:
    return job is not None and not JOBS[JobStatus(job["status"])]
