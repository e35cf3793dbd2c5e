"""A printer that answers: what every command needs before it looks at the printer's state or sends anything."""

from edge_agent.drivers.bambu.session import Session
from edge_agent.execution import Refused, Run
from edge_agent.timestamps import Clock

FRESH_SECONDS = 5.0
"""A picture older than this is asked for again before anything is decided by it."""
SLICE_SECONDS = 1.0


class Contact:
    """Waits for a connected printer with a fresh picture, on behalf of a run."""

    def __init__(self, session: Session, clock: Clock, answer_seconds: float) -> None:
        self._session = session
        self._clock = clock
        self._answer = answer_seconds

    def fresh(self, run: Run, seconds: float | None) -> None:
        """Return with a fresh picture. Raises Refused after `seconds`, and whatever ends the run; None waits on."""
        deadline = None if seconds is None else self._clock.monotonic() + seconds
        while not self._is_fresh():
            if run.may_have_been_sent:
                run.check_halted()
            else:
                run.authorise()
            if deadline is not None and self._clock.monotonic() >= deadline:
                raise Refused("the printer is not reachable")
            if not self._session.ready:
                self._session.wait(lambda: self._session.ready, SLICE_SECONDS)
            elif not self.read_back():
                self._session.reconnect()

    def read_back(self) -> bool:
        """Ask for a full frame; whether it came in time."""
        before = self._session.full_frames
        self._session.refresh()
        return self._session.wait(lambda: self._session.full_frames > before, self._answer)

    def _is_fresh(self) -> bool:
        return self._session.ready and self._clock.monotonic() - self._session.last_frame < FRESH_SECONDS
