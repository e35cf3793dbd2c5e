"""A printer that answers: what every command needs before it decides anything."""

from typing import Protocol

from edge_agent.drivers.polled.looks import Look
from edge_agent.execution import Refused, Run
from edge_agent.timestamps import Clock


class Watch(Protocol):
    """Looks at one printer again and again, and whenever somebody asks."""

    @property
    def serial(self) -> str:
        """The printer's."""

    @property
    def snapshot(self) -> Look:
        """What was seen last."""

    @property
    def problem(self) -> str:
        """Why the printer could not be seen."""

    @property
    def refused(self) -> bool:
        """Whether the printer answers, and is not to be talked to."""

    def look(self) -> Look | None:
        """Look now; None where the printer cannot be seen. Never with the job desk's gate held."""

    def rest(self) -> bool:
        """Wait a moment before the next look of a command; whether the agent stops."""


class Contact:
    """Looks at the printer on behalf of a run."""

    def __init__(self, session: Watch, clock: Clock) -> None:
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
