"""Stopping a job: whatever the printer is doing, whatever was killed in between, it ends, and is told once."""

from edge_agent.command import Outcome, completed, failed
from edge_agent.drivers.polled.device import Reply
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.tracking import shows
from edge_agent.drivers.polled.workplace import Workplace
from edge_agent.execution import Run
from edge_agent.jobs import SENT_PHASES
from edge_agent.steps import Step

NOTHING = "nothing was printing"
CANCELLED = "cancelled by stop"


class Stops:
    """Carries out stop on one printer. It can be repeated at any point."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace

    def perform(self, run: Run) -> Outcome:
        """The stop's outcome. An unreachable printer is waited for until the command expires."""
        wanted_job = run.command.print_job_id
        if self._cancel_ongoing(run, wanted_job):
            seen_now = self._at.session.snapshot if wanted_job else self._at.session.look()
            if seen_now is not None and not self._at.desk.occupied(seen_now):
                return completed("the start was cancelled before anything was sent")
        try:
            return self._end(run, wanted_job)
        finally:
            self._at.desk.stopping = False

    def _end(self, run: Run, wanted_job: str | None) -> Outcome:
        """End what is printed, or say why not."""
        deadline = self._at.clock.monotonic() + self._at.timing.effect_timeout
        target = run.progress.get("target")
        intended = False
        while self._at.clock.monotonic() < deadline:
            began = self._at.clock.monotonic()
            seen = self._at.contact.fresh(run, None)
            deadline += self._at.clock.monotonic() - began
            with self._at.desk.gate:
                run.check_halted()
                self._cancel_ongoing(run, wanted_job)
                if not self._at.desk.occupied(seen):
                    return self._nothing_left(run, sent=target is not None)
                if target and seen.has_job and str(seen.job_id) != target:
                    return completed("the print had ended")
                if self._is_other_job(wanted_job, seen):
                    return failed("the printer is not printing that job")
                job = self._id(seen)
                if not intended:
                    intended = True
                    run.intend()
                if target != job:
                    target = job
                    run.note(target=target)
                run.publishing()
                self._at.desk.stop(run.command.command_id)
                self._at.desk.stopping = True
            reply = self._send(run, job) if job else None
            self._watch(run, min(deadline, self._at.clock.monotonic() + self._at.timing.stop_repeat), reply)
        if not self._at.desk.occupied(self._at.session.snapshot):
            return self._nothing_left(run, sent=True)
        self._at.desk.stop(None)
        return failed(f"the printer was still printing {self._at.timing.effect_timeout:.0f} s after the stop was sent")

    def _cancel_ongoing(self, run: Run, wanted_job: str | None) -> bool:
        """Overrule older starts, and cancel the one that is under way and has sent nothing."""
        with self._at.desk.gate:
            run.remember_executed()
            start = self._at.desk.ongoing
            if start is None or (wanted_job is not None and start.command.print_job_id != wanted_job):
                return False
            start.cancel_reason = CANCELLED
            return True

    def _id(self, seen: Look) -> str:
        """The id of the job to stop; empty while it has none yet. A BUSY printer hides the job that it has."""
        job = self._at.desk.live_job
        if seen.job_id is not None:
            return str(seen.job_id)
        return job.subtask_id if job is not None and job.phase not in SENT_PHASES else ""

    def _is_other_job(self, wanted_job: str | None, seen: Look) -> bool:
        """Whether the stop is for one job, and the printer does something else."""
        if wanted_job is None:
            return False
        job = self._at.desk.live_job
        if job is None or job.print_job_id != wanted_job:
            return True
        unnamed = job.phase in SENT_PHASES and not seen.file
        return seen.has_job and not unnamed and not shows(seen, job)

    def _send(self, run: Run, job: str) -> Reply | None:
        """What became of the request; None where it never left."""
        run.reach(Step.SENDING)
        reply = self._at.device.stop(job)
        if reply.is_undone:
            run.not_sent()
            return None
        run.reach(Step.HANDED_OVER)
        if reply.is_answered:
            run.published()
        if reply.is_taken:
            run.reach(Step.ACKNOWLEDGED)
        return reply

    def _nothing_left(self, run: Run, *, sent: bool) -> Outcome:
        if not sent:
            return completed(NOTHING)
        run.reach(Step.EFFECT_SEEN)
        return completed("stopped")

    def _watch(self, run: Run, until: float, reply: Reply | None) -> None:
        """Return when the print has ended, or the stop should be sent again."""
        while self._at.clock.monotonic() < until:
            run.check_halted()
            seen = self._at.session.look()
            if seen is None or not self._at.desk.occupied(seen):
                return
            if not seen.has_job:
                self._give_up_when_late()
            self._at.session.rest()
            if seen.has_job and (reply is None or not reply.is_taken):
                return

    def _give_up_when_late(self) -> None:
        """A stopped start that the printer has not shown within the late window never will be shown."""
        with self._at.desk.gate:
            job = self._at.desk.live_job
            stopped = job is not None and job.stop_command_id is not None and job.phase in SENT_PHASES
            if job is not None and stopped and not self._at.desk.in_flight and self._at.desk.is_late(job):
                self._at.desk.give_up()


class Recall:
    """A print that was stopped before the printer showed it, and begins all the same, is stopped again."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace
        self._sent_at = float("-inf")
        self._reported: str | None = None

    def see(self, seen: Look) -> None:
        """Stop what should not be printed."""
        job = self._at.desk.unwanted(seen)
        now = self._at.clock.monotonic()
        if job is None or now - self._sent_at < self._at.timing.stop_repeat:
            return
        self._sent_at = now
        reply = self._at.device.stop(str(seen.job_id))
        if not reply.is_answered:
            return
        if self._reported != job.marker:
            self._at.desk.report_unwanted(job)
            self._reported = job.marker
