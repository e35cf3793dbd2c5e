"""Follows one printer's jobs through what PrusaLink shows: which job runs, and what has to be told about it, once.

A pure state machine. A job is known by its file's name, which no other start shares. PrusaLink does not show a job
before it begins, after its end, nor while the printer is BUSY, and what it shows after the end (FINISHED, STOPPED)
turns into IDLE as soon as somebody touches the screen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from edge_agent.drivers.prusalink.state import Snapshot
from edge_agent.jobs import LIVE, Job, Phase

EventStatus = Literal["success", "failed", "warning", "info"]
TELLING_STEP = timedelta(milliseconds=1)
"""The least time on the wire between two events of one job."""
ENDS = frozenset({"FINISHED", "STOPPED", "ERROR"})
"""What the printer shows after a print."""
SENT_PHASES = frozenset({Phase.PUBLISHING, Phase.ACCEPTED})
"""Sent, and not shown by the printer yet."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something to report about a job, as it was then; it happened at the job's `told_at`."""

    kind: str
    status: EventStatus
    job: Job
    message: str
    error_data: dict[str, Any] | None = None


def shows(seen: Snapshot, job: Job) -> bool:
    """Whether the printer shows this job."""
    return seen.has_job and seen.file.casefold() == job.marker.casefold()


@dataclass(slots=True)
class Tracker:
    """One printer's jobs. `job` is the one followed; after each call, `events` are those to report now."""

    printer: str
    late_window: timedelta
    start_window: timedelta
    """How long after its start a job can be expected to show."""
    cloud_time: Callable[[], datetime]
    """The cloud's clock, by which events are told."""
    job: Job | None = None
    events: list[JobEvent] = field(default_factory=list)
    _before: Snapshot | None = None
    _gone_at: datetime | None = None
    _percent: float = 0.0
    _reconnected: bool = False

    def begin(self, job: Job) -> None:
        """The agent is about to start this job; whatever was followed until now has ended."""
        if self.job is not None and self.job.phase is Phase.ACTIVE:
            self._lost_track("the next print began; how this one ended was not seen")
        elif self.job is not None and self.job.phase in LIVE:
            self._never_began()
        self.job = job
        self._gone_at = None
        self._percent = 0.0
        self._reconnected = False

    def accept(self) -> None:
        """The printer took the start."""
        if self.job is not None and self.job.phase is Phase.PUBLISHING:
            self._change(phase=Phase.ACCEPTED)
            self._report_preparing()

    def refuse(self) -> None:
        """The start provably had no effect; a job that was reported as preparing is reported as failed."""
        job = self.job
        if job is None or job.phase not in SENT_PHASES:
            return
        if job.preparing_reported:
            self._never_began()
        else:
            self._change(phase=Phase.REFUSED)

    def stop(self, command_id: str | None) -> None:
        """The agent stops the job: what follows is a cancel, not a failure. None: the stop had no effect."""
        if self.job is not None and self.job.phase in LIVE:
            self._change(stop_command_id=command_id)

    def give_up(self) -> None:
        """A job that was stopped before the printer ever showed it has ended."""
        if self.job is not None and self.job.phase in SENT_PHASES:
            self._cancelled("stopped_by_command")

    def starting(self, now: datetime) -> bool:
        """Whether a start was sent that the printer does not show yet, and still may."""
        job = self.job
        return job is not None and job.phase in SENT_PHASES and now - job.published_at < self.start_window

    def unwanted(self, seen: Snapshot, now: datetime) -> Job | None:
        """The job that is shown, where it is one that a stop has ended: it came late, and runs all the same.

        A person may print the same file again: that comes later.
        """
        job = self.job
        if job is None or not job.is_ours or job.phase is not Phase.ENDED or job.stop_command_id is None:
            return None
        return job if shows(seen, job) and now - job.published_at < self.start_window else None

    def see(self, seen: Snapshot, first: bool, now: datetime) -> None:
        """A new snapshot; `first` after the printer could not be seen."""
        before, self._before = self._before, seen
        job = self.job
        if job is None or job.phase not in LIVE:
            self._look_for_foreign(before, seen, first, now)
        elif job.phase is Phase.ACTIVE:
            self._follow(job, seen, now)
        else:
            self._await_start(job, seen, first, now)

    def tick(self, now: datetime) -> None:
        """Time passes without a snapshot."""
        job, last = self.job, self._before
        waiting = job is not None and job.phase in SENT_PHASES and last is not None
        if waiting and last is not None and not last.has_job and not self.starting(now):
            self._never_began()

    def _look_for_foreign(self, before: Snapshot | None, seen: Snapshot, first: bool, now: datetime) -> None:
        """A job that somebody else starts is followed too, without an id of ours; what ran before us is not."""
        if first or before is None or before.has_job or not seen.has_job or before.state == "BUSY":
            return
        if self.job is not None and self.job.is_ours and shows(seen, self.job):
            return
        self.job = Job(
            marker=seen.file, printer=self.printer, file_name=seen.file, phase=Phase.ACTIVE, published_at=now
        )
        self._gone_at = None
        self._follow(self.job, seen, now)

    def _await_start(self, job: Job, seen: Snapshot, first: bool, now: datetime) -> None:
        """The start was sent. Its end counts only where the printer took it and could not be seen for a while."""
        self._reconnected = self._reconnected or first
        settled = now - job.published_at >= self.late_window
        if shows(seen, job):
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), seen, now)
        elif seen.has_job:
            if settled and seen.file:
                self.refuse()
        elif self._reconnected and settled and job.phase is Phase.ACCEPTED and seen.state in ENDS:
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), seen, now)

    def _follow(self, job: Job, seen: Snapshot, now: datetime) -> None:
        self._report_preparing()
        if seen.has_job and seen.file and not shows(seen, job):
            self._lost_track("the printer went on to another job; how this one ended was not seen")
            return
        if seen.has_job:
            self._gone_at = None
            self._percent = seen.percent or 0.0
            self._change(subtask_id=str(seen.job_id))
        match seen.state:
            case "PRINTING":
                self._printing()
            case "PAUSED" | "ATTENTION" if seen.has_job:
                self._waiting(seen)
            case "FINISHED":
                self._completed()
            case "STOPPED":
                stopped = self._current().stop_command_id is not None
                self._cancelled("stopped_by_command" if stopped else "cancelled_at_printer")
            case "ERROR":
                self._failed("the printer reports an error", {"reason": "printer_error"})
            case "IDLE" | "READY":
                self._gone(now)

    def _printing(self) -> None:
        """A print that is being aborted is shown as printing, too, even if it was paused."""
        self._report_started()
        if self._current().paused and self._current().stop_command_id is None:
            self._change(paused=False)
            self._emit("job_resumed", "info", "the print goes on")

    def _waiting(self, seen: Snapshot) -> None:
        self._report_started()
        if not self._current().paused:
            self._change(paused=True)
            attention = seen.state == "ATTENTION"
            self._emit("job_paused", "warning", "the printer asks for a person" if attention else "the print is paused")

    def _gone(self, now: datetime) -> None:
        """The printer is idle, and what it showed at the end was not seen: what was seen last has to tell."""
        self._gone_at = self._gone_at or now
        if self._current().stop_command_id is not None:
            self._cancelled("stopped_by_command")
        elif self._percent >= 100:
            self._completed()
        elif now - self._gone_at >= self.late_window:
            self._lost_track("the printer no longer prints; how the print ended was not seen")

    def _report_preparing(self) -> None:
        if not self._current().preparing_reported:
            self._change(preparing_reported=True)
            self._emit("job_preparing", "info", "the printer accepted the job")

    def _report_started(self) -> None:
        if not self._current().started_reported:
            self._change(started_reported=True)
            self._emit("job_started", "info", "the printer is printing")

    def _completed(self) -> None:
        self._report_started()
        self._change(phase=Phase.ENDED)
        self._emit("job_completed", "success", "the print is finished")

    def _lost_track(self, message: str) -> None:
        if self._current().stop_command_id is not None:
            self._cancelled("stopped_by_command")
        else:
            self._failed(message, {"reason": "lost_track"})

    def _never_began(self) -> None:
        if self._current().stop_command_id is not None:
            self._cancelled("stopped_by_command")
        else:
            self._failed("the print did not begin", {"reason": "not_started"})

    def _failed(self, message: str, error_data: dict[str, Any]) -> None:
        self._change(phase=Phase.ENDED)
        self._emit("job_failed", "failed", message, error_data)

    def _cancelled(self, reason: str) -> None:
        error_data: dict[str, Any] = {"reason": reason}
        if reason == "stopped_by_command":
            error_data["commandId"] = self._current().stop_command_id
        self._change(phase=Phase.ENDED)
        self._emit("job_cancelled", "failed", f"the print was cancelled: {reason.replace('_', ' ')}", error_data)

    def _current(self) -> Job:
        if self.job is None:
            raise LookupError("no job is followed")
        return self.job

    def _change(self, **fields: Any) -> None:
        job = self._current()
        if any(getattr(job, name) != value for name, value in fields.items()):
            self.job = job.model_copy(update=fields)

    def _emit(self, kind: str, status: EventStatus, message: str, error_data: dict[str, Any] | None = None) -> None:
        """The job's events never go back in time, though the cloud's clock is known better now than then."""
        now, last = self.cloud_time(), self._current().told_at
        self._change(told_at=now if last is None else max(now, last + TELLING_STEP))
        self.events.append(JobEvent(kind, status, self._current(), message, error_data))
