"""Commands with one request: send it, and believe only the printer's own report."""

from edge_agent.command import Outcome, completed, failed, unknown
from edge_agent.config import Timing
from edge_agent.drivers.bambu.acks import DEVELOPER_MODE_ADVICE
from edge_agent.drivers.bambu.commands import Plan, plan
from edge_agent.drivers.bambu.contact import SLICE_SECONDS, Contact
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.hms import VERIFY_FAILED
from edge_agent.drivers.bambu.sent import Sent, send
from edge_agent.drivers.bambu.session import NotConnected, Session, Ticket
from edge_agent.execution import Run
from edge_agent.steps import Step
from edge_agent.timestamps import Clock

MAX_SENDS = 2
"""A repeatable request is sent once more when nothing shows that it arrived."""


class Effects:
    """Carries out plans on one printer."""

    def __init__(
        self, serial: str, session: Session, contact: Contact, desk: JobDesk, timing: Timing, clock: Clock
    ) -> None:
        self._serial = serial
        self._session = session
        self._contact = contact
        self._desk = desk
        self._timing = timing
        self._clock = clock

    def perform(self, run: Run) -> Outcome:
        """The command's outcome, also when an earlier run may have sent it already."""
        todo = plan(run.command, self._serial)
        self._contact.fresh(run, self._timing.printer_wait)
        if run.may_have_been_sent:
            self._contact.read_back()
            if not todo.repeatable:
                return unknown("the agent was interrupted while sending; whether the printer acted cannot be seen")
            if todo.wanted is not None and todo.wanted(self._session.picture):
                run.reach(Step.EFFECT_SEEN)
                return completed(todo.done)
        run.authorise()
        if todo.already and todo.wanted is not None and todo.wanted(self._session.picture):
            run.remember_executed()
            return completed(f"{todo.done} (it was so already)")
        obstacle = self._obstacle(todo)
        if obstacle is not None:
            return failed(obstacle)
        run.intend()
        return self._carry_out(run, todo)

    def _obstacle(self, todo: Plan) -> str | None:
        obstacle = todo.obstacle(self._session.picture)
        if obstacle is not None and self._desk.starting():
            self._session.wait(lambda: self._session.picture.active, self._timing.late_window)
            obstacle = todo.obstacle(self._session.picture)
        return obstacle

    def _carry_out(self, run: Run, todo: Plan) -> Outcome:
        limit = self._timing.effect_timeout if todo.repeatable else self._timing.home_timeout
        deadline = self._clock.monotonic() + limit
        sends = 0
        while sends < MAX_SENDS and self._clock.monotonic() < deadline:
            self._contact.fresh(run, deadline - self._clock.monotonic())
            try:
                with self._desk.gate:
                    run.publishing()
                    ticket = send(run, self._session, todo.request)
            except NotConnected:
                run.not_sent()
                continue
            sends += 1
            outcome = self._watch(run, todo, ticket, deadline, last=sends == MAX_SENDS)
            self._session.done(ticket)
            if outcome is not None:
                return outcome
            if not todo.repeatable:
                return unknown("the printer did not acknowledge the command; whether it acted cannot be seen")
        if VERIFY_FAILED in self._session.picture.hms:
            return failed(DEVELOPER_MODE_ADVICE)
        if run.overtaken():
            return failed("superseded by a later command")
        return failed(f"the printer did not show the effect within {limit:.0f} s")

    def _watch(self, run: Run, todo: Plan, ticket: Ticket, deadline: float, *, last: bool) -> Outcome | None:
        """The outcome, or None when the request may not have arrived."""
        sent_at = self._clock.monotonic()
        sent = Sent(run, ticket, self._clock)
        while True:
            refusal = sent.note()
            if refusal is not None:
                return failed(refusal)
            if self._is_done(todo, sent):
                run.reach(Step.EFFECT_SEEN)
                return completed(todo.done)
            now = self._clock.monotonic()
            deaf = not sent.acknowledged and now - sent_at >= self._timing.ack_timeout
            if deaf and not last:
                self._session.reconnect()
            if sent.lost or now >= deadline or run.overtaken() or (deaf and not (last and todo.repeatable)):
                return self._late(todo, sent)
            self._session.wait(lambda: sent.has_news or sent.lost or self._is_done(todo, sent), SLICE_SECONDS)

    def _is_done(self, todo: Plan, sent: Sent) -> bool:
        if not todo.repeatable and not sent.acknowledged:
            return False
        if todo.settles and self._clock.monotonic() - sent.acknowledged_at < self._timing.home_settle:
            return False
        return todo.wanted is None or todo.wanted(self._session.picture)

    def _late(self, todo: Plan, sent: Sent) -> Outcome | None:
        """No effect in time. What was acknowledged, and can show its effect, has failed to have it."""
        if not todo.repeatable and sent.acknowledged:
            return failed("the printer accepted the command but did not show the effect")
        return None
