"""A print that was stopped before the printer showed it, and begins all the same, is stopped again."""

from edge_agent.config import Timing
from edge_agent.drivers.bambu.commands import STOP
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.session import NotConnected, Session
from edge_agent.timestamps import Clock


class Recall:
    """Watches one printer for starts that came through after their stop."""

    def __init__(self, session: Session, desk: JobDesk, timing: Timing, clock: Clock) -> None:
        self._session = session
        self._desk = desk
        self._timing = timing
        self._clock = clock
        self._sent_at = float("-inf")
        self._reported: str | None = None

    def tick(self) -> None:
        """Stop what should not be printed; called about twice a second."""
        now = self._clock.monotonic()
        if now - self._sent_at < self._timing.stop_repeat:
            return
        with self._desk.gate:
            job = self._desk.unwanted(self._session.picture)
            if job is None:
                return
            self._sent_at = now
            try:
                self._session.done(self._session.send(STOP))
            except NotConnected:
                return
        if self._reported != job.marker:
            self._desk.report_unwanted(job)
            self._reported = job.marker
