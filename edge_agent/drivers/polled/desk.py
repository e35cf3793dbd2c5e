"""A polled printer's job desk."""

from datetime import timedelta

from edge_agent.drivers.desk import CloudTime, Desk
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.tracking import Tracker
from edge_agent.execution import Rooms
from edge_agent.jobs import Job, Phase
from edge_agent.reporters.events import EventReporter


class JobDesk(Desk[Look]):
    """What `Desk` is, for looks, and what is on its way to the printer."""

    def __init__(self, serial: str, rooms: Rooms, events: EventReporter) -> None:
        super().__init__(serial, rooms, events)
        self.in_flight = False
        """Whether a start is on its way: the request has not been answered."""
        self.stopping = False
        """Whether a stop is being carried out, which might hit whatever begins meanwhile."""

    def _followed(
        self, serial: str, late: timedelta, start: timedelta, cloud_time: CloudTime, job: Job | None
    ) -> Tracker:
        return Tracker(serial, late, start, cloud_time, job)

    def _candidate(self, seen: Look) -> Job | None:
        """An older start than the one followed may be shown."""
        return self._ours(seen.file) or self.job

    def starting(self) -> bool:
        """Whether a start was sent, or is being sent, that the printer does not show yet, and still may."""
        return self.in_flight or super().starting()

    def occupied(self, seen: Look) -> bool:
        """Whether there is something to stop: a print that is shown, hidden behind BUSY, or about to begin.

        A printer that says that it prints does, even where it does not say what.
        """
        hidden = seen.state in ("BUSY", "ATTENTION") and self.job is not None and self.job.phase is Phase.ACTIVE
        return seen.has_job or seen.state in ("PRINTING", "PAUSED") or hidden or self.starting()
