"""Follows the jobs of a polled printer. A job is known by its file's name, which no other start shares.

The printer need not show a job before it begins, after its end, nor while it is BUSY, and what it shows after the end
may turn into IDLE as soon as somebody touches its screen.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from edge_agent.drivers.following import Follower
from edge_agent.drivers.polled.looks import ENDS, Look
from edge_agent.jobs import Job, Phase


def names(seen: Look, job: Job) -> bool:
    """Whether what is shown, running or ended, bears the job's name."""
    return seen.file.casefold() == job.marker.casefold()


def shows(seen: Look, job: Job) -> bool:
    """Whether the printer shows this job."""
    return seen.has_job and names(seen, job)


class Tracker(Follower[Look]):
    """One printer's jobs."""

    def __init__(
        self,
        printer: str,
        late_window: timedelta,
        start_window: timedelta,
        cloud_time: Callable[[], datetime],
        job: Job | None = None,
    ) -> None:
        super().__init__(printer, late_window, start_window, cloud_time, job)
        self._percent = 0.0

    def begin(self, job: Job) -> None:
        """The agent is about to start this job; whatever was followed until now has ended."""
        super().begin(job)
        self._percent = 0.0

    def unwanted(self, seen: Look, now: datetime) -> Job | None:
        """The job that is shown, where it is one that a stop has ended: it came late, and runs all the same."""
        return self.job if self.job is not None and self.is_unwanted(self.job, seen, now) else None

    def is_active(self, seen: Look) -> bool:
        """Whether a print is shown."""
        return seen.has_job

    def shows(self, seen: Look, job: Job) -> bool:
        """Whether the printer shows this job."""
        return shows(seen, job)

    def _name(self, seen: Look) -> str:
        return seen.file

    def _may_hide(self, seen: Look) -> bool:
        return seen.state == "BUSY"

    def _await_start(self, job: Job, seen: Look, now: datetime) -> None:
        """An end that does not name the job counts only where the printer took it and could not be seen for a while."""
        settled = now - job.published_at >= self.late_window
        if names(seen, job) and (seen.has_job or seen.state in ENDS):
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), seen, now)
        elif seen.has_job:
            if settled and seen.file:
                self.refuse()
        elif self._reconnected and settled and job.phase is Phase.ACCEPTED and seen.state in ENDS:
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), seen, now)

    def _follow(self, job: Job, seen: Look, now: datetime) -> None:
        self._report_preparing()
        if seen.file and not names(seen, job):
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
                self._paused("the printer asks for a person" if seen.state == "ATTENTION" else "the print is paused")
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
        if self._current().stop_command_id is None:
            self._resumed()

    def _gone(self, now: datetime) -> None:
        """The printer is idle, and what it showed at the end was not seen: what was seen last has to tell."""
        self._gone_at = self._gone_at or now
        if self._current().stop_command_id is not None:
            self._cancelled("stopped_by_command")
        elif self._percent >= 100:
            self._completed()
        elif now - self._gone_at >= self.late_window:
            self._lost_track("the printer no longer prints; how the print ended was not seen")
