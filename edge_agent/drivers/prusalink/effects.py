"""Pause and resume with PrusaLink; everything else that a printer can be told, it has no call for."""

from edge_agent.config import Timing
from edge_agent.drivers.polled import effects
from edge_agent.drivers.polled.desk import JobDesk
from edge_agent.drivers.prusalink.contact import Contact
from edge_agent.drivers.prusalink.controls import Requests
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.session import Session
from edge_agent.timestamps import Clock


class Effects(effects.Effects):
    """Carries out pause and resume on one printer. Both name the job by its number."""

    def __init__(
        self, session: Session, line: Line, contact: Contact, desk: JobDesk, timing: Timing, clock: Clock
    ) -> None:
        super().__init__(session, Requests(line), contact, desk, timing, clock)
