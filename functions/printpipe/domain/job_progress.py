"""How far a job is, and for how long it has been printed."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from printpipe.domain.job_records import Job, Progress

_JOBS = ("printJobId", "jobId")
_PERCENT = ("progress", "progressPercent")
_LAYER = ("layer", "currentLayer")
_LAYERS = ("totalLayers",)
_REMAINING = ("remainingTime", "remainingTimeSeconds")
_MOST = 10**9


def progress_of(job: Job, status: Mapping[str, Any] | None) -> Progress:
    """What a printer's status shows of this very job, else what was told of it."""
    if status is None or job.job_id not in [status.get(name) for name in _JOBS]:
        return job.progress or Progress()
    return progress_in(status)


def progress_in(status: Mapping[str, Any]) -> Progress:
    """How far a printer is, as its status shows.

    The status is as printers' clients store it: `progress` (percent), `layer`, `totalLayers`, `remainingTime` (seconds)
    and their other names.
    """
    percent = _number(status, _PERCENT)
    return Progress(
        percent=None if percent is None or percent > 100 else percent,
        layer=_whole(status, _LAYER),
        total_layers=_whole(status, _LAYERS),
        remaining_seconds=_whole(status, _REMAINING),
    )


def elapsed_seconds(job: Job, now: datetime) -> int | None:
    """For how long a job has been printed until it ended or until now, all its runs together; None before it begins."""
    until = job.ended_at or now
    runs = [(each.ended_at or until) - each.started_at for each in job.runs if each.started_at is not None]
    if not runs and job.started_at is not None:
        runs = [until - job.started_at]
    return max(0, int(sum(each.total_seconds() for each in runs))) if runs else None


def _number(status: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = status.get(name)
        if not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= _MOST:
            return float(value)
    return None


def _whole(status: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    number = _number(status, names)
    return None if number is None else math.floor(number)
