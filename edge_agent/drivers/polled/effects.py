"""Pause and resume; everything else that a printer can be told, a polled one is not asked."""

from edge_agent.command import Outcome, completed, failed
from edge_agent.drivers.polled.device import Reply
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.workplace import Workplace
from edge_agent.execution import Refused, Run
from edge_agent.steps import Step

WANTED = {"pause": "PAUSED", "resume": "PRINTING"}
DONE = {"pause": "paused", "resume": "resumed"}
ATTENTION = "the printer waits for a person at its screen"
NOTHING_PRINTING = "nothing is printing"


class Effects:
    """Carries out pause and resume on one printer. Both can be repeated."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace

    def perform(self, run: Run) -> Outcome:
        """The command's outcome, also when an earlier run may have sent it already."""
        kind = run.command.kind
        if kind not in WANTED:
            raise Refused(f"unsupported: {self._at.device.brand} has no call for {run.command.command_type}")
        seen = self._at.contact.fresh(run, self._at.timing.printer_wait)
        if run.may_have_been_sent and seen.state == WANTED[kind]:
            run.reach(Step.EFFECT_SEEN)
            return completed(DONE[kind])
        with self._at.desk.gate:
            run.authorise()
            if seen.state == WANTED[kind]:
                run.remember_executed()
                return completed(f"{DONE[kind]} (it was so already)")
        seen = self._begun(run, seen)
        if (obstacle := _obstacle(seen)) is not None:
            return failed(obstacle)
        run.intend()
        return self._carry_out(run, kind)

    def _begun(self, run: Run, seen: Look) -> Look:
        """The printer, once it shows the job of a start that was sent a moment ago."""
        deadline = self._at.clock.monotonic() + self._at.timing.late_window
        while not seen.has_job and self._at.desk.starting() and self._at.clock.monotonic() < deadline:
            self._at.session.rest()
            seen = self._at.contact.fresh(run, self._at.timing.printer_wait)
        return seen

    def _carry_out(self, run: Run, kind: str) -> Outcome:
        limit = self._at.timing.effect_timeout
        deadline = self._at.clock.monotonic() + limit
        reply: Reply | None = None
        while self._at.clock.monotonic() < deadline:
            seen = self._at.contact.fresh(run, deadline - self._at.clock.monotonic())
            if reply is not None and seen.state == WANTED[kind]:
                run.reach(Step.EFFECT_SEEN)
                return completed(DONE[kind])
            if (obstacle := _obstacle(seen)) is not None:
                return failed(obstacle)
            with self._at.desk.gate:
                run.publishing()
            reply = self._send(run, kind, seen) or reply
            outcome = self._watch(run, kind, min(deadline, self._at.clock.monotonic() + self._at.timing.ack_timeout))
            if outcome is not None:
                return outcome
        complaint = f": {reply.message}" if reply is not None and reply.message else ""
        return failed(f"the printer did not show the effect within {limit:.0f} s{complaint}")

    def _send(self, run: Run, kind: str, seen: Look) -> Reply | None:
        """What became of the request; None where it never left, or nobody knows."""
        run.reach(Step.SENDING)
        job = str(seen.job_id)
        reply = self._at.device.pause(job) if kind == "pause" else self._at.device.resume(job)
        if reply.is_undone:
            run.not_sent()
            return None
        run.reach(Step.HANDED_OVER)
        if not reply.is_answered:
            return None
        run.published()
        if reply.is_taken:
            run.reach(Step.ACKNOWLEDGED)
        return reply

    def _watch(self, run: Run, kind: str, until: float) -> Outcome | None:
        """The outcome, or None when the request should be sent again."""
        while self._at.clock.monotonic() < until:
            run.check_halted()
            seen = self._at.session.look()
            if seen is not None and seen.state == WANTED[kind]:
                run.reach(Step.EFFECT_SEEN)
                return completed(DONE[kind])
            if run.overtaken():
                return failed("superseded by a later command")
            self._at.session.rest()
        return None


def _obstacle(seen: Look) -> str | None:
    if seen.state == "ATTENTION":
        return ATTENTION
    return None if seen.has_job else NOTHING_PRINTING
