"""Follows one printer's jobs through its reports: which job runs, and what has to be told about it, once.

A pure state machine: it is given pictures and the time, and answers with the job's new state and its events. What
firmware gets wrong is dealt with here (protocol notes, section J): stale frames after a start, an error code that
comes seconds after a cancel, FINISH and FAILED that persist, names that are cut or blanked at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from edge_agent.drivers.bambu.hms import CANCELLED_AT_PRINTER, PROMPTS, error_text
from edge_agent.drivers.bambu.state import Picture
from edge_agent.jobs import LIVE, Job, Phase

EventStatus = Literal["success", "failed", "warning", "info"]
NAME_LIMIT = 100
"""Printers cut longer names."""
TELLING_STEP = timedelta(milliseconds=1)
"""The least time on the wire between two events of one job."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something to report about a job, as it was then; it happened at the job's `told_at`."""

    kind: str
    status: EventStatus
    job: Job
    message: str
    error_data: dict[str, Any] | None = None


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
    _before: Picture | None = None
    _failed_at: datetime | None = None
    _reconnected: bool = False

    def begin(self, job: Job) -> None:
        """The agent is about to start this job; whatever was followed until now has ended."""
        if self.job is not None and self.job.phase is Phase.ACTIVE:
            self._lost_track("the next print began; how this one ended was not seen")
        elif self.job is not None and self.job.phase in LIVE:
            self._never_began()
        self.job = job
        self._failed_at = None
        self._reconnected = False

    def accept(self) -> None:
        """The printer acknowledged the start."""
        if self.job is not None and self.job.phase is Phase.PUBLISHING:
            self._change(phase=Phase.ACCEPTED)
            self._report_preparing()

    def refuse(self) -> None:
        """The start provably had no effect; a job that was reported as preparing is reported as failed."""
        job = self.job
        if job is None or job.phase not in (Phase.PUBLISHING, Phase.ACCEPTED):
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
        if self.job is not None and self.job.phase in (Phase.PUBLISHING, Phase.ACCEPTED):
            self._cancelled("stopped_by_command")

    def starting(self, now: datetime) -> bool:
        """Whether a start was sent that the printer does not show yet, and still may."""
        job = self.job
        return (
            job is not None
            and job.phase in (Phase.PUBLISHING, Phase.ACCEPTED)
            and now - job.published_at < self.start_window
        )

    def is_unwanted(self, job: Job, picture: Picture, now: datetime) -> bool:
        """Whether the picture shows the very start that a stop has ended: it came late, and runs all the same."""
        stopped = job.is_ours and job.phase is Phase.ENDED and job.stop_command_id is not None
        if not stopped or not picture.active or not self.shows(picture, job):
            return False
        # A person may print the same file again: that has another id, or comes later.
        return picture.subtask_id == job.subtask_id or now - job.published_at < self.start_window

    def shows(self, picture: Picture, job: Job) -> bool:
        """Whether the picture is of this job."""
        names = (picture.subtask_name, picture.gcode_file.rsplit("/", 1)[-1])
        if any(_same(name, job.marker) for name in names):
            return True
        return job.subtask_id not in ("", "0") and picture.subtask_id == job.subtask_id

    def see(self, picture: Picture, first: bool, now: datetime) -> None:
        """A new picture; `first` since the connection was made."""
        before, self._before = self._before, picture
        if picture.internal_job and picture.active:
            return
        job = self.job
        if job is None or job.phase not in LIVE:
            self._look_for_foreign(before, picture, first, now)
        elif job.phase is Phase.ACTIVE:
            self._follow(job, picture, now)
        else:
            self._await_start(job, picture, first, now)

    def tick(self, now: datetime) -> None:
        """Time passes without a picture."""
        job, last = self.job, self._before
        if job is None or last is None:
            return
        if job.phase is Phase.ACTIVE and self._failed_at is not None:
            self._end_without_finish(last, now)
        elif job.phase in LIVE and job.phase is not Phase.ACTIVE and not last.active and not self.starting(now):
            self._never_began()

    def _look_for_foreign(self, before: Picture | None, picture: Picture, first: bool, now: datetime) -> None:
        """A job that somebody else starts is followed too, without an id of ours; what ran before us is not."""
        if first or before is None or before.active or not picture.active:
            return
        if self.job is not None and self.job.is_ours and self.shows(picture, self.job):
            return
        name = picture.subtask_name or picture.gcode_file
        self.job = Job(marker=name, printer=self.printer, file_name=name, phase=Phase.ACTIVE, published_at=now)
        self._follow(self.job, picture, now)

    def _await_start(self, job: Job, picture: Picture, first: bool, now: datetime) -> None:
        """The start was sent. Until the job is seen active, the old job's frames may carry the new one's name.

        So FINISH counts only after a reconnect that could hide the job's whole run, and FAILED only after a while.
        """
        self._reconnected = self._reconnected or first
        waited = now - job.published_at
        settled = waited >= self.late_window
        if not self.shows(picture, job):
            if picture.active and settled:
                self.refuse()
            return
        if picture.active:
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), picture, now)
        elif picture.gcode_state == "FINISH" and self._reconnected and settled:
            self._change(phase=Phase.ACTIVE)
            self._completed()
        elif picture.gcode_state == "FAILED" and settled and (picture.print_error or waited >= 6 * self.late_window):
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), picture, now)

    def _follow(self, job: Job, picture: Picture, now: datetime) -> None:
        self._report_preparing()
        mine = not job.is_ours or self.shows(picture, job) or not (picture.subtask_name or picture.gcode_file)
        if not mine and (picture.active or picture.gcode_state == "FINISH"):
            self._lost_track("the printer went on to another job; how this one ended was not seen")
            return
        match picture.gcode_state:
            case "RUNNING":
                self._failed_at = None
                self._running(picture)
            case "PAUSE":
                self._failed_at = None
                self._report_started()
                if not self._current().paused:
                    self._change(paused=True)
                    self._emit("job_paused", "warning", "the print is paused")
            case "FINISH" if mine:
                self._completed()
            case "FAILED" | "IDLE":
                self._failed_at = self._failed_at or now
                self._end_without_finish(picture, now)

    def _running(self, picture: Picture) -> None:
        self._report_started()
        job = self._current()
        if job.paused:
            self._change(paused=False)
            self._emit("job_resumed", "info", "the print goes on")
        stale = picture.layer == job.layer_before or 0 < picture.total_layers < picture.layer
        if job.layer_before and not picture.layer:
            self._change(layer_before=0)
        if picture.layer >= 1 and not stale and not job.first_layer_reported:
            self._change(first_layer_reported=True)
            self._emit("first_layer", "info", "the first layer is being printed")

    def _end_without_finish(self, picture: Picture, now: datetime) -> None:
        """FAILED, or back to IDLE. A cancel's error code comes up to five seconds later: an empty one is waited on."""
        job, failed_at = self._current(), self._failed_at
        if job.phase is not Phase.ACTIVE or failed_at is None:
            self._failed_at = None
            return
        error = picture.print_error if picture.print_error not in PROMPTS else 0
        if job.stop_command_id is not None:
            self._cancelled("stopped_by_command")
        elif error in CANCELLED_AT_PRINTER:
            self._cancelled("cancelled_at_printer")
        elif error:
            text = error_text(error)
            self._failed(
                f"the printer reports error {text}", {"reason": "print_error", "printError": error, "code": text}
            )
        elif now - failed_at >= self.late_window:
            if picture.gcode_state == "IDLE":
                self._cancelled("aborted")
            else:
                self._failed("the print failed", {"reason": "failed"})

    def _report_preparing(self) -> None:
        if not self._current().preparing_reported:
            self._change(preparing_reported=True)
            self._emit("job_preparing", "info", "the printer accepted the job")

    def _report_started(self) -> None:
        if not self._current().started_reported:
            self._change(started_reported=True)
            self._emit("job_started", "info", "the printer is printing")

    def _completed(self) -> None:
        self._report_preparing()
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
        job = self._current()
        error_data: dict[str, Any] = {"reason": reason}
        if reason == "stopped_by_command":
            error_data["commandId"] = job.stop_command_id
        self._change(phase=Phase.ENDED)
        self._emit("job_cancelled", "failed", f"the print was cancelled: {reason.replace('_', ' ')}", error_data)

    def _current(self) -> Job:
        if self.job is None:
            raise LookupError("no job is followed")
        return self.job

    def _change(self, **fields: Any) -> None:
        self.job = self._current().model_copy(update=fields)
        if self.job.phase not in LIVE:
            self._failed_at = None

    def _emit(self, kind: str, status: EventStatus, message: str, error_data: dict[str, Any] | None = None) -> None:
        """The job's events never go back in time, though the cloud's clock is known better now than then."""
        now, last = self.cloud_time(), self._current().told_at
        self._change(told_at=now if last is None else max(now, last + TELLING_STEP))
        self.events.append(JobEvent(kind, status, self._current(), message, error_data))


def _same(shown: str, marker: str) -> bool:
    """Whether a reported name is the marker: with its extensions, with spaces as underscores, or cut."""
    name = shown.replace(" ", "_")
    for extension in (".gcode.3mf", ".3mf", ".gcode"):
        name = name.removesuffix(extension)
    return bool(name) and (name == marker.replace(" ", "_") or name == marker.replace(" ", "_")[:NAME_LIMIT])
