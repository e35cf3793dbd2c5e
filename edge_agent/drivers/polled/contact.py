"""A printer that answers: what every command needs before it decides anything."""

from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.session import Session
from edge_agent.execution import Refused, Run
from edge_agent.timestamps import Clock


class Contact:
    """Looks at the printer on behalf of a run."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def fresh(self, run: Run, seconds: float | None) -> Look:
        """What the printer shows now. Raises Refused after `seconds`, and whatever ends the run; None waits on.

        A printer that refuses the agent is not waited for.
        """
        deadline = None if seconds is None else self._clock.monotonic() + seconds
        while True:
            if run.may_have_been_sent:
                run.check_halted()
            else:
                run.authorise()
            seen = self._session.look()
            if seen is not None:
                return seen
            late = deadline is not None and self._clock.monotonic() >= deadline
            if late or self._session.refused:
                raise Refused(self._session.problem)
            self._session.rest()
