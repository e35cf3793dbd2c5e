"""Starting a print with PrusaLink."""

from edge_agent.config import Timing
from edge_agent.drivers.polled import starts
from edge_agent.drivers.polled.desk import JobDesk
from edge_agent.drivers.prusalink.contact import Contact
from edge_agent.drivers.prusalink.controls import Requests
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.session import Session
from edge_agent.drivers.prusalink.storage import PrusaStorage
from edge_agent.timestamps import Clock


class Starts(starts.Starts):
    """Carries out start_print on one printer."""

    def __init__(
        self,
        session: Session,
        line: Line,
        storage: PrusaStorage,
        contact: Contact,
        desk: JobDesk,
        timing: Timing,
        clock: Clock,
    ) -> None:
        super().__init__(session, Requests(line, storage), contact, desk, timing, clock)
