"""Follows a Bambu printer's jobs through its reports.

What firmware gets wrong is dealt with here (protocol notes, section J): stale frames after a start, an error code that
comes seconds after a cancel, FINISH and FAILED that persist, names that are cut or blanked at the end.
"""

from datetime import datetime

from edge_agent.drivers.bambu.hms import CANCELLED_AT_PRINTER, PROMPTS, error_text
from edge_agent.drivers.bambu.state import Picture
from edge_agent.drivers.following import Follower
from edge_agent.jobs import Job, Phase

NAME_LIMIT = 100
"""Printers cut longer names."""


class Tracker(Follower[Picture]):
    """One printer's jobs. A job is known by its subtask's name, or by the id that the start gave it."""

    def see(self, seen: Picture, first: bool, now: datetime) -> None:
        """A new picture; `first` since the connection was made."""
        self._recognise(seen, first)
        super().see(seen, first, now)

    def is_active(self, seen: Picture) -> bool:
        """Whether a job occupies the printer."""
        return seen.active

    def shows(self, seen: Picture, job: Job) -> bool:
        """Whether the picture is of this job."""
        names = (seen.subtask_name, seen.gcode_file.rsplit("/", 1)[-1])
        if any(_same(name, job.marker) for name in names):
            return True
        return job.subtask_id not in ("", "0") and seen.subtask_id == job.subtask_id

    def _name(self, seen: Picture) -> str:
        return seen.subtask_name or seen.gcode_file

    def _is_nobodys(self, seen: Picture) -> bool:
        return seen.internal_job and seen.active

    def _recognise(self, seen: Picture, first: bool) -> None:
        """The name of what others started may come late; one that has changed while nobody looked is another's."""
        job, name = self.job, self._name(seen)
        if job is None or job.is_ours or job.phase is not Phase.ACTIVE or name in ("", job.marker) or seen.internal_job:
            return
        if first and (seen.active or seen.gcode_state == "FINISH"):
            self._lost_track("the printer went on to another print; how this one ended was not seen")
        elif seen.active:
            self._change(marker=name, file_name=name)

    def _has_its_id(self, seen: Picture, job: Job) -> bool:
        return seen.subtask_id == job.subtask_id

    def _await_start(self, job: Job, seen: Picture, now: datetime) -> None:
        """Until the job is seen active, the old job's frames may carry the new one's name.

        So FINISH counts only after a reconnect that could hide the job's whole run, and FAILED only after a while.
        """
        waited = now - job.published_at
        settled = waited >= self.late_window
        if not self.shows(seen, job):
            if seen.active and settled:
                self.refuse()
            return
        if seen.active:
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), seen, now)
        elif seen.gcode_state == "FINISH" and self._reconnected and settled:
            self._change(phase=Phase.ACTIVE)
            self._completed()
        elif seen.gcode_state == "FAILED" and settled and (seen.print_error or waited >= 6 * self.late_window):
            self._change(phase=Phase.ACTIVE)
            self._follow(self._current(), seen, now)

    def _follow(self, job: Job, seen: Picture, now: datetime) -> None:
        self._report_preparing()
        mine = not job.is_ours or self.shows(seen, job) or not self._name(seen)
        if not mine and (seen.active or seen.gcode_state == "FINISH"):
            self._lost_track("the printer went on to another job; how this one ended was not seen")
            return
        match seen.gcode_state:
            case "RUNNING":
                self._gone_at = None
                self._running(seen)
            case "PAUSE":
                self._gone_at = None
                self._paused()
            case "FINISH" if mine:
                self._completed()
            case "FAILED" | "IDLE":
                self._gone_at = self._gone_at or now
                self._settle(seen, now)

    def _running(self, seen: Picture) -> None:
        self._report_started()
        self._resumed()
        job = self._current()
        stale = seen.layer == job.layer_before or 0 < seen.total_layers < seen.layer
        if job.layer_before and not seen.layer:
            self._change(layer_before=0)
        if seen.layer >= 1 and not stale:
            self._report_first_layer()

    def _settle(self, last: Picture, now: datetime) -> None:
        """FAILED, or back to IDLE. A cancel's error code comes up to five seconds later: an empty one is waited on."""
        error = last.print_error if last.print_error not in PROMPTS else 0
        if self._current().stop_command_id is not None:
            self._cancelled("stopped_by_command")
        elif error in CANCELLED_AT_PRINTER:
            self._cancelled("cancelled_at_printer")
        elif error:
            text = error_text(error)
            self._failed(
                f"the printer reports error {text}", {"reason": "print_error", "printError": error, "code": text}
            )
        elif self._gone_at is not None and now - self._gone_at >= self.late_window:
            if last.gcode_state == "IDLE":
                self._cancelled("aborted")
            else:
                self._failed("the print failed", {"reason": "failed"})


def _same(shown: str, marker: str) -> bool:
    """Whether a reported name is the marker: with its extensions, with spaces as underscores, or cut."""
    name = shown.replace(" ", "_")
    for extension in (".gcode.3mf", ".3mf", ".gcode"):
        name = name.removesuffix(extension)
    return bool(name) and (name == marker.replace(" ", "_") or name == marker.replace(" ", "_")[:NAME_LIMIT])
