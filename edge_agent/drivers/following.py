"""Follows one printer's jobs through what it shows: which job runs, and what has to be told about it, once.

A pure state machine: it is given what the printer shows and the time, and answers with the job's new state and its
events. A brand adds how a job is known in what is shown, and what its firmware's states mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from edge_agent.jobs import LIVE, SENT_PHASES, Job, Phase

EventStatus = Literal["success", "failed", "warning", "info"]
Seen = TypeVar("Seen")
"""What the printer shows at one moment, in the brand's normal form."""
TELLING_STEP = timedelta(milliseconds=1)
"""The least time on the wire between two events of one job."""
FOREIGN = "started at the printer"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something to report about a job, as it was then; it happened at the job's `told_at`."""

    kind: str
    status: EventStatus
    job: Job
    message: str
    error_data: dict[str, Any] | None = None


class Follower(ABC, Generic[Seen]):
    """One printer's jobs. `job` is the one followed; after each call, `events` are those to report now."""

    def __init__(
        self,
        printer: str,
        late_window: timedelta,
        start_window: timedelta,
        cloud_time: Callable[[], datetime],
        job: Job | None = None,
    ) -> None:
        """`late_window`: how long the printer may take to show how a job ended; `start_window`: that one began.

        `cloud_time` is the cloud's clock, by which events are told.
        """
        self.printer = printer
        self.late_window = late_window
        self.start_window = start_window
        self.job = job
        self.events: list[JobEvent] = []
        self._cloud_time = cloud_time
        self._before: Seen | None = None
        self._gone_at: datetime | None = None
        """Since when the job followed is no longer printed, and how it ended is not known."""
        self._reconnected = False
        self._at_rest_since: datetime | None = None

    def begin(self, job: Job) -> None:
        """The agent is about to start this job; whatever was followed until now has ended."""
        if self.job is not None and self.job.phase is Phase.ACTIVE:
            self._lost_track("the next print began; how this one ended was not seen")
        elif self.job is not None and self.job.phase in LIVE:
            self._never_began()
        self.job = job
        self._gone_at = None
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

    def is_unwanted(self, job: Job, seen: Seen, now: datetime) -> bool:
        """Whether this shows the very start that a stop has ended: it came late, and runs all the same."""
        stopped = job.is_ours and job.phase is Phase.ENDED and job.stop_command_id is not None
        if not stopped or not self.is_active(seen) or not self.shows(seen, job):
            return False
        # A person may print the same file again: that is known by another id, or comes later.
        return self._has_its_id(seen, job) or now - job.published_at < self.start_window

    def see(self, seen: Seen, first: bool, now: datetime) -> None:
        """What the printer shows now; `first` since it could not be seen."""
        before, rested = self._before, self._at_rest_since
        self._before = seen
        self._at_rest_since = None if self.is_active(seen) else rested or now
        if self._is_nobodys(seen):
            return
        job = self.job
        if job is None or job.phase not in LIVE:
            if before is not None and not first:
                self._look_for_foreign(before, seen, rested, now)
        elif job.phase is Phase.ACTIVE:
            self._follow(job, seen, now)
        else:
            self._reconnected = self._reconnected or first
            self._await_start(job, seen, now)

    def tick(self, now: datetime) -> None:
        """Time passes without anything new to see."""
        job, last = self.job, self._before
        if job is None or last is None:
            return
        if job.phase is Phase.ACTIVE:
            if self._gone_at is not None:
                self._settle(last, now)
        elif job.phase in SENT_PHASES and not self.is_active(last) and not self.starting(now):
            self._never_began()

    @abstractmethod
    def is_active(self, seen: Seen) -> bool:
        """Whether a job occupies the printer."""

    @abstractmethod
    def shows(self, seen: Seen, job: Job) -> bool:
        """Whether this is of the job."""

    @abstractmethod
    def _name(self, seen: Seen) -> str:
        """What is printed, as the printer calls it."""

    @abstractmethod
    def _await_start(self, job: Job, seen: Seen, now: datetime) -> None:
        """The job was sent, and was not shown until now."""

    @abstractmethod
    def _follow(self, job: Job, seen: Seen, now: datetime) -> None:
        """The job runs, by what was shown until now."""

    def _settle(self, last: Seen, now: datetime) -> None:
        """The job has been gone for a while, and nothing new was shown."""

    def _is_nobodys(self, seen: Seen) -> bool:
        """Whether what runs is the printer's own, and no customer's job."""
        return False

    def _may_hide(self, seen: Seen) -> bool:
        """Whether a job may have run without being shown."""
        return False

    def _has_its_id(self, seen: Seen, job: Job) -> bool:
        """Whether an id that no other start shares says that this is the job."""
        return False

    def _look_for_foreign(self, before: Seen, seen: Seen, rested: datetime | None, now: datetime) -> None:
        """A job that somebody else starts is followed too, without an id of ours; what ran before us is not.

        The printer was at rest since `rested`.
        """
        if self.is_active(before) or self._may_hide(before) or not self.is_active(seen):
            return
        ours = self.job if self.job is not None and self.job.is_ours else None
        if ours is not None and self.shows(seen, ours) and not self._is_printed_again(seen, ours, rested, now):
            return
        name = self._name(seen)
        self.job = Job(marker=name, printer=self.printer, file_name=name, phase=Phase.ACTIVE, published_at=now)
        self._gone_at = None
        self._follow(self.job, seen, now)

    def _is_printed_again(self, seen: Seen, job: Job, rested: datetime | None, now: datetime) -> bool:
        """Whether a person prints the file of our last job, which has ended: neither its start is late, nor a frame."""
        settled = rested is not None and now - rested >= self.late_window
        return settled and now - job.published_at >= self.start_window and not self.is_unwanted(job, seen, now)

    def _report_preparing(self) -> None:
        if not self._current().preparing_reported:
            ours = self._current().is_ours
            self._change(preparing_reported=True)
            self._emit("job_preparing", "info", "the printer accepted the job" if ours else f"a print was {FOREIGN}")

    def _report_started(self) -> None:
        if not self._current().started_reported:
            self._change(started_reported=True)
            self._emit("job_started", "info", "the printer is printing")

    def _report_first_layer(self) -> None:
        if not self._current().first_layer_reported:
            self._change(first_layer_reported=True)
            self._emit("first_layer", "info", "the first layer is being printed")

    def _paused(self, message: str = "the print is paused") -> None:
        self._report_started()
        if not self._current().paused:
            self._change(paused=True)
            self._emit("job_paused", "warning", message)

    def _resumed(self) -> None:
        if self._current().paused:
            self._change(paused=False)
            self._emit("job_resumed", "info", "the print goes on")

    def _completed(self) -> None:
        self._report_preparing()
        self._report_started()
        self._end()
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
        self._end()
        self._emit("job_failed", "failed", message, error_data)

    def _cancelled(self, reason: str) -> None:
        error_data: dict[str, Any] = {"reason": reason}
        if reason == "stopped_by_command":
            error_data["commandId"] = self._current().stop_command_id
        self._end()
        self._emit("job_cancelled", "failed", f"the print was cancelled: {reason.replace('_', ' ')}", error_data)

    def _end(self) -> None:
        self._gone_at = None
        self._change(phase=Phase.ENDED)

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
        if not self._current().is_ours and FOREIGN not in message:
            message = f"{message} ({FOREIGN})"
        now, last = self._cloud_time(), self._current().told_at
        self._change(told_at=now if last is None else max(now, last + TELLING_STEP))
        self.events.append(JobEvent(kind, status, self._current(), message, error_data))
