"""Whether a printer is there: a short break of the connection does not make it offline, nor a problem."""

from datetime import timedelta
from typing import Protocol

from edge_agent.drivers.base import StatusReport
from edge_agent.drivers.problems import Problem
from edge_agent.execution import Rooms


class Contacted(Protocol):
    """What keeps in contact with one printer."""

    @property
    def unready_for(self) -> float:
        """For how many seconds it has not been ready."""

    @property
    def trouble(self) -> Problem | None:
        """What is the matter now."""


class Presence:
    """One printer's."""

    def __init__(self, session: Contacted, rooms: Rooms) -> None:
        self._session = session
        self._rooms = rooms

    @property
    def is_offline(self) -> bool:
        """Whether the printer has been away for so long that it counts."""
        return self._session.unready_for >= self._rooms.timing.offline_after

    @property
    def problem(self) -> Problem | None:
        """What keeps the agent from the printer; one that passes by itself counts only once the printer is offline."""
        trouble = self._session.trouble
        if trouble is None or not trouble.passing:
            return trouble
        if not self.is_offline:
            return None
        return trouble.lasting(self._rooms.server_time.now() - timedelta(seconds=self._session.unready_for))


def offline(shown: str) -> StatusReport:
    """The status of a printer that is offline and showed this state at last, in its brand's word."""
    return StatusReport("offline", ("offline",), {"gcodeState": shown, "online": False})
