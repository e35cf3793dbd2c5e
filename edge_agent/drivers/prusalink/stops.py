"""Stopping a print with PrusaLink."""

from edge_agent.config import Timing
from edge_agent.drivers.polled import stops
from edge_agent.drivers.polled.desk import JobDesk
from edge_agent.drivers.prusalink.contact import Contact
from edge_agent.drivers.prusalink.controls import Requests
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.session import Session
from edge_agent.timestamps import Clock


class Stops(stops.Stops):
    """Carries out stop on one printer."""

    def __init__(
        self, session: Session, line: Line, contact: Contact, desk: JobDesk, timing: Timing, clock: Clock
    ) -> None:
        super().__init__(session, Requests(line), contact, desk, timing, clock)


class Recall(stops.Recall):
    """Stops a print again that was stopped before the printer showed it, and begins all the same."""

    def __init__(self, line: Line, desk: JobDesk, timing: Timing, clock: Clock) -> None:
        super().__init__(Requests(line), desk, timing, clock)
