"""Commands with one request: send it, and believe only the printer's own report."""

from dataclasses import replace

from edge_agent.command import Outcome, completed, failed, unknown
from edge_agent.config import Timing
from edge_agent.drivers.bambu.acks import DEVELOPER_MODE_ADVICE
from edge_agent.drivers.bambu.commands import Plan, plan
from edge_agent.drivers.bambu.contact import SLICE_SECONDS, Contact
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.link import Ticket
from edge_agent.drivers.bambu.sent import Sent, send
from edge_agent.drivers.bambu.session import NotConnected, Session
from edge_agent.drivers.bambu.state import AMS_CHANGING
from edge_agent.execution import Run
from edge_agent.steps import Step
from edge_agent.timestamps import Clock

SIGNED_SECTION = "print"
"""What is sent in this section has to be signed where Developer Mode is off (protocol notes, section A)."""
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
                return self._found_out(run, todo)
            if todo.wanted is not None and todo.wanted(self._session.picture):
                run.reach(Step.EFFECT_SEEN)
                return completed(todo.done)
        with self._desk.gate:
            run.authorise()
            if self._unsettled() and not todo.slow:
                todo = replace(todo, settles=True)
            elif todo.already and self._shows(todo):
                run.remember_executed()
                return completed(f"{todo.done} (it was so already)")
        if self._obstacle(todo) is not None and self._desk.starting():
            self._session.wait(lambda: self._session.picture.active, self._timing.late_window)
        obstacle = self._obstacle(todo)
        if obstacle is not None:
            return failed(obstacle)
        run.intend()
        return self._carry_out(run, todo)

    def _found_out(self, run: Run, todo: Plan) -> Outcome:
        """What became of a request that must not be sent twice; only an effect that lasts can tell."""
        if todo.wanted is not None and todo.already:
            self._session.wait(lambda: self._shows(todo), self._timing.effect_timeout)
            if todo.slow:
                self._session.wait(lambda: self._shows(todo) or not self._changes(), self._timing.filament_timeout)
            run.check_halted()
            if self._shows(todo):
                run.reach(Step.EFFECT_SEEN)
                return completed(todo.done)
        return unknown("the agent was interrupted while sending; whether the printer acted cannot be seen")

    def _unsettled(self) -> bool:
        """Whether the report may still be about to change because of something sent a moment ago."""
        return self._clock.monotonic() - self._session.last_unsettled < 2 * self._timing.home_settle

    def _changes(self) -> bool:
        return self._session.picture.ams_action == AMS_CHANGING

    def _shows(self, todo: Plan) -> bool:
        return todo.wanted is not None and todo.wanted(self._session.picture)

    def _obstacle(self, todo: Plan) -> str | None:
        """What is in the way now; a start that was sent and is not shown yet counts as a print."""
        picture = self._session.picture
        obstacle = todo.obstacle(picture)
        if obstacle is None and self._desk.starting():
            obstacle = todo.obstacle(replace(picture, gcode_state="PREPARE"))
        return obstacle

    def _carry_out(self, run: Run, todo: Plan) -> Outcome:
        limit = self._patience(todo)
        deadline = self._clock.monotonic() + limit
        sends = 0
        while sends < MAX_SENDS and self._clock.monotonic() < deadline:
            self._contact.fresh(run, deadline - self._clock.monotonic())
            try:
                with self._desk.gate:
                    obstacle = self._obstacle(todo)
                    if obstacle is not None:
                        return failed(obstacle)
                    run.publishing()
                    self._accompany(todo)
                    ticket = send(run, self._session, todo.request(self._session.picture))
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
        if run.overtaken():
            return failed("superseded by a later command")
        return failed(self._unsigned(todo) or f"the printer did not show the effect within {limit:.0f} s")

    def _patience(self, todo: Plan) -> float:
        """How long the effect may take, in seconds."""
        if todo.slow:
            return self._timing.filament_timeout
        return self._timing.effect_timeout if todo.repeatable else self._timing.home_timeout

    def _accompany(self, todo: Plan) -> None:
        """Send what may fail without harm; nobody waits for its answer. Raises NotConnected."""
        for request in todo.companions:
            ticket = self._session.send(request)
            self._session.settled(ticket)
            self._session.done(ticket)

    def _unsigned(self, todo: Plan) -> str | None:
        """What to tell the operator where it had no effect because the printer wants control to be signed.

        Some firmware echoes an unsigned command and says so in its report alone.
        """
        picture = self._session.picture
        concerned = todo.request(picture).section == SIGNED_SECTION
        return DEVELOPER_MODE_ADVICE if concerned and picture.refuses_unsigned else None

    def _watch(self, run: Run, todo: Plan, ticket: Ticket, deadline: float, *, last: bool) -> Outcome | None:
        """The outcome, or None when the request may not have arrived."""
        sent_at = self._clock.monotonic()
        sent = Sent(run, ticket, self._clock)
        while True:
            refusal = sent.note()
            if refusal is not None:
                return failed(refusal)
            if self._is_done(todo, sent, sent_at):
                if todo.wanted is not None:
                    self._session.settled(ticket)
                run.reach(Step.EFFECT_SEEN)
                return completed(todo.done)
            if self._is_ignored(todo, sent, sent_at):
                return failed(DEVELOPER_MODE_ADVICE)
            now = self._clock.monotonic()
            deaf = not sent.acknowledged and now - sent_at >= self._timing.ack_timeout
            if deaf and not last:
                self._session.reconnect()
            looks_on = self._looks_on(todo, sent, last=last)
            undone = todo.repeatable and todo.settles and self._is_settled(sent, sent_at)
            if now >= deadline or run.overtaken() or ((deaf or sent.lost or undone) and not looks_on):
                return self._late(run, todo, sent)
            self._session.wait(
                lambda: (
                    sent.has_news
                    or (sent.lost and not self._looks_on(todo, sent, last=last))
                    or self._is_done(todo, sent, sent_at)
                ),
                SLICE_SECONDS,
            )

    def _looks_on(self, todo: Plan, sent: Sent, *, last: bool) -> bool:
        """Whether it will not be sent again: then the effect is looked for to the end, also over a new connection."""
        return last if todo.repeatable else sent.acknowledged

    def _is_done(self, todo: Plan, sent: Sent, sent_at: float) -> bool:
        if not sent.acknowledged and (todo.acknowledged or not todo.repeatable):
            return False
        if todo.wanted is None:
            return sent.accepted or (self._is_settled(sent, sent_at) and not self._is_ignored(todo, sent, sent_at))
        if (todo.settles and not self._is_settled(sent, sent_at)) or (sent.lost and not self._session.ready):
            return False
        return todo.wanted(self._session.picture)

    def _is_ignored(self, todo: Plan, sent: Sent, sent_at: float) -> bool:
        """Whether the printer merely repeated a request, without a word of acceptance, that it wants to be signed."""
        echoed = sent.acknowledged and not sent.accepted and todo.wanted is None
        return echoed and self._is_settled(sent, sent_at) and self._unsigned(todo) is not None

    def _is_settled(self, sent: Sent, sent_at: float) -> bool:
        """Whether the report is about what was sent, not about what was sent before it."""
        heard_at = sent.acknowledged_at if sent.acknowledged else sent_at + self._timing.ack_timeout
        return self._clock.monotonic() - heard_at >= self._timing.home_settle

    def _late(self, run: Run, todo: Plan, sent: Sent) -> Outcome | None:
        """No effect in time. What was acknowledged, and can show its effect, has failed to have it."""
        if not todo.repeatable and sent.acknowledged:
            if run.overtaken():
                return failed("superseded by a later command; the printer may still do what it has begun")
            return failed(self._unsigned(todo) or "the printer accepted the command but did not show the effect")
        return None
