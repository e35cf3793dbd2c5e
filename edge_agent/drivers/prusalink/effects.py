"""Pause and resume; everything else that a printer can be told, PrusaLink has no call for."""

from edge_agent.command import Outcome, completed, failed
from edge_agent.config import Timing
from edge_agent.drivers.prusalink.contact import Contact
from edge_agent.drivers.prusalink.desk import JobDesk
from edge_agent.drivers.prusalink.line import Answer, Broken, KeyRefused, Line, NotReachable
from edge_agent.drivers.prusalink.session import JOB, Session
from edge_agent.drivers.prusalink.state import Snapshot
from edge_agent.execution import Refused, Run
from edge_agent.steps import Step
from edge_agent.timestamps import Clock

WANTED = {"pause": "PAUSED", "resume": "PRINTING"}
DONE = {"pause": "paused", "resume": "resumed"}
ATTENTION = "the printer waits for a person at its screen"
NOTHING_PRINTING = "nothing is printing"


class Effects:
    """Carries out pause and resume on one printer. Both name the job by its number, and can be repeated."""

    def __init__(
        self, session: Session, line: Line, contact: Contact, desk: JobDesk, timing: Timing, clock: Clock
    ) -> None:
        self._session = session
        self._line = line
        self._contact = contact
        self._desk = desk
        self._timing = timing
        self._clock = clock

    def perform(self, run: Run) -> Outcome:
        """The command's outcome, also when an earlier run may have sent it already."""
        kind = run.command.kind
        if kind not in WANTED:
            raise Refused(f"unsupported: PrusaLink has no call for {run.command.command_type}")
        seen = self._contact.fresh(run, self._timing.printer_wait)
        if run.may_have_been_sent and seen.state == WANTED[kind]:
            run.reach(Step.EFFECT_SEEN)
            return completed(DONE[kind])
        with self._desk.gate:
            run.authorise()
            if seen.state == WANTED[kind]:
                run.remember_executed()
                return completed(f"{DONE[kind]} (it was so already)")
        seen = self._begun(run, seen)
        if (obstacle := _obstacle(seen)) is not None:
            return failed(obstacle)
        run.intend()
        return self._carry_out(run, kind)

    def _begun(self, run: Run, seen: Snapshot) -> Snapshot:
        """The printer, once it shows the job of a start that was sent a moment ago."""
        deadline = self._clock.monotonic() + self._timing.late_window
        while not seen.has_job and self._desk.starting() and self._clock.monotonic() < deadline:
            self._session.rest()
            seen = self._contact.fresh(run, self._timing.printer_wait)
        return seen

    def _carry_out(self, run: Run, kind: str) -> Outcome:
        limit = self._timing.effect_timeout
        deadline = self._clock.monotonic() + limit
        answer: Answer | None = None
        while self._clock.monotonic() < deadline:
            seen = self._contact.fresh(run, deadline - self._clock.monotonic())
            if answer is not None and seen.state == WANTED[kind]:
                run.reach(Step.EFFECT_SEEN)
                return completed(DONE[kind])
            if (obstacle := _obstacle(seen)) is not None:
                return failed(obstacle)
            with self._desk.gate:
                run.publishing()
            answer = self._send(run, kind, seen) or answer
            outcome = self._watch(run, kind, min(deadline, self._clock.monotonic() + self._timing.ack_timeout))
            if outcome is not None:
                return outcome
        complaint = f": {answer.complaint}" if answer is not None and not answer.is_good else ""
        return failed(f"the printer did not show the effect within {limit:.0f} s{complaint}")

    def _send(self, run: Run, kind: str, seen: Snapshot) -> Answer | None:
        try:
            run.reach(Step.SENDING)
            answer = self._line.ask("PUT", f"{JOB}/{seen.job_id}/{kind}")
        except (NotReachable, KeyRefused):
            run.not_sent()
            return None
        except Broken:
            run.reach(Step.HANDED_OVER)
            return None
        run.reach(Step.HANDED_OVER)
        run.published()
        if answer.is_good:
            run.reach(Step.ACKNOWLEDGED)
        return answer

    def _watch(self, run: Run, kind: str, until: float) -> Outcome | None:
        """The outcome, or None when the request should be sent again."""
        while self._clock.monotonic() < until:
            run.check_halted()
            seen = self._session.look()
            if seen is not None and seen.state == WANTED[kind]:
                run.reach(Step.EFFECT_SEEN)
                return completed(DONE[kind])
            if run.overtaken():
                return failed("superseded by a later command")
            self._session.rest()
        return None


def _obstacle(seen: Snapshot) -> str | None:
    if seen.state == "ATTENTION":
        return ATTENTION
    return None if seen.has_job else NOTHING_PRINTING
