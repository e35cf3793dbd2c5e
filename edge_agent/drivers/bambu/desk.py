"""A Bambu printer's job desk."""

from datetime import timedelta

from edge_agent.drivers.bambu.state import Picture
from edge_agent.drivers.bambu.tracking import Tracker
from edge_agent.drivers.desk import CloudTime, Desk
from edge_agent.jobs import Job


class JobDesk(Desk[Picture]):
    """What `Desk` is, for pictures."""

    def _followed(
        self, serial: str, late: timedelta, start: timedelta, cloud_time: CloudTime, job: Job | None
    ) -> Tracker:
        return Tracker(serial, late, start, cloud_time, job)

    def _candidate(self, seen: Picture) -> Job | None:
        """The picture may be of an older start than the one followed."""
        return self._ours(seen.subtask_name) or self.job
