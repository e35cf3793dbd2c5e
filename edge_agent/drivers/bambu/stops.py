"""Stopping a job: whatever the printer is doing, whatever was killed in between, it ends, and is told once."""

from edge_agent.command import Outcome, completed, failed
from edge_agent.config import Timing
from edge_agent.drivers.bambu.commands import STOP
from edge_agent.drivers.bambu.contact import SLICE_SECONDS, Contact
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.link import Ticket
from edge_agent.drivers.bambu.sent import Sent, send
from edge_agent.drivers.bambu.session import NotConnected, Session
from edge_agent.execution import Run
from edge_agent.jobs import SENT_PHASES
from edge_agent.steps import Step
from edge_agent.timestamps import Clock

NOTHING = "nothing was printing"
CANCELLED = "cancelled by stop"


class Stops:
    """Carries out stop on one printer. It can be repeated at any point."""

    def __init__(self, session: Session, contact: Contact, desk: JobDesk, timing: Timing, clock: Clock) -> None:
        self._session = session
        self._contact = contact
        self._desk = desk
        self._timing = timing
        self._clock = clock

    def perform(self, run: Run) -> Outcome:
        """The stop's outcome. An unreachable printer is waited for until the command expires.

        One that is connected and has shown the print is sent the stop before anything else, even if it is silent by
        now: what it shows next is looked at before the stop is repeated.
        """
        wanted_job = run.command.print_job_id
        known = wanted_job is not None or self._session.ready  # else the picture may be of before the line broke
        if self._cancel_ongoing(run, wanted_job) and known and not self._is_busy():
            return completed("the start was cancelled before anything was sent")
        at_once = not run.may_have_been_sent and self._shows_it(wanted_job)
        if not at_once:
            self._contact.fresh(run, None)
        if run.may_have_been_sent:
            self._contact.read_back()
        deadline = self._clock.monotonic() + self._timing.effect_timeout
        target = run.progress.get("target")
        sent_at = float("-inf")
        intended = False
        while self._clock.monotonic() < deadline:
            began = self._clock.monotonic()
            if not at_once:
                self._contact.fresh(run, None)
            at_once = False
            deadline += self._clock.monotonic() - began
            with self._desk.gate:
                run.check_halted()
                self._cancel_ongoing(run, wanted_job)
                if not self._is_busy():
                    return self._nothing_left(run, sent=target is not None)
                if target is not None and self._is_another(target, sent_at):
                    return completed("the print had ended")
                other = self._other_job(wanted_job)
                if other is not None:
                    return failed(other)
                if not intended:
                    intended = True
                    sent_at = self._clock.monotonic()
                    target = self._target()
                    run.note(target=target)
                    run.intend()
                elif target != self._target():
                    target = self._target()
                    run.note(target=target)
                ticket = self._send(run)
            if ticket is None:
                continue
            refusal = self._watch(run, ticket, deadline)
            self._session.done(ticket)
            if refusal is not None:
                self._desk.stop(None)
                return failed(refusal)
        if not self._is_busy():
            return self._nothing_left(run, sent=True)
        self._desk.stop(None)
        return failed(f"the printer was still printing {self._timing.effect_timeout:.0f} s after the stop was sent")

    def _send(self, run: Run) -> Ticket | None:
        run.publishing()
        self._desk.stop(run.command.command_id)
        try:
            return send(run, self._session, STOP)
        except NotConnected:
            run.not_sent()
            return None

    def _cancel_ongoing(self, run: Run, wanted_job: str | None) -> bool:
        """Overrule older starts, and cancel the one that is under way and has sent nothing."""
        with self._desk.gate:
            run.remember_executed()
            start = self._desk.ongoing
            if start is None or (wanted_job is not None and start.command.print_job_id != wanted_job):
                return False
            start.cancel_reason = CANCELLED
            return True

    def _is_busy(self) -> bool:
        return self._session.picture.active or self._desk.starting()

    def _shows_it(self, wanted_job: str | None) -> bool:
        """Whether the print to stop is what the connected printer has shown last."""
        return self._session.ready and self._session.picture.active and self._other_job(wanted_job) is None

    def _target(self) -> str:
        picture = self._session.picture
        return picture.subtask_name if picture.active else ""

    def _is_another(self, target: str, sent_at: float) -> bool:
        """Whether the job in the picture began after the stop: a name alone may be late, or be corrected."""
        picture = self._session.picture
        ended = self._session.last_inactive > sent_at
        return ended and bool(target) and picture.active and picture.subtask_name != target

    def _other_job(self, wanted_job: str | None) -> str | None:
        """Why the stop is not for what the printer is doing, if it is for one job only."""
        if wanted_job is None:
            return None
        job, picture = self._desk.live_job, self._session.picture
        if job is None or job.print_job_id != wanted_job:
            return "the printer is not printing that job"
        if picture.active and job.phase not in SENT_PHASES and not self._desk.shows(picture, job):
            return "the printer is not printing that job"
        return None

    def _nothing_left(self, run: Run, *, sent: bool) -> Outcome:
        if not sent:
            return completed(NOTHING)
        run.reach(Step.EFFECT_SEEN)
        return completed("stopped")

    def _watch(self, run: Run, ticket: Ticket, deadline: float) -> str | None:
        """Return when the print has ended, or the stop should be sent again; a refusal by the printer is returned."""
        until = min(self._clock.monotonic() + self._timing.stop_repeat, deadline)
        sent = Sent(run, ticket, self._clock)
        while self._clock.monotonic() < until and not sent.lost:
            refusal = sent.note()
            if refusal is not None:
                return refusal
            if sent.published and not self._is_busy():
                return None
            self._session.wait(
                lambda: sent.has_news or sent.lost or (sent.published and not self._is_busy()), SLICE_SECONDS
            )
        if not sent.acknowledged and self._is_busy():
            self._session.reconnect()
        if not self._session.picture.active and self._desk.starting():
            self._give_up_when_late()
        return None

    def _give_up_when_late(self) -> None:
        """A stopped start that the printer has not shown within the late window never will be shown."""
        job = self._desk.live_job
        if job is not None and job.stop_command_id is not None and self._desk.is_late(job):
            self._desk.give_up()
