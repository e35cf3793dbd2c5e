"""Takes the pictures of delivered events to the cloud, one after the other, beside all other reports."""

from edge_agent.cloud import CloudFailed, CloudRefused, CloudUnavailable
from edge_agent.delivery import PATIENCE, delay
from edge_agent.execution import Rooms
from edge_agent.logs import log
from edge_agent.outbox import Report
from edge_agent.supervision import supervised

LOOK_SECONDS = 1.0
NOT_THERE = 404


class PictureDelivery:
    """A thread of its own: on a slow line a picture takes minutes, and nothing else waits for it."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._attempts = 0
        self._failures = 0
        """How often the cloud itself failed on the picture, or did not know its event."""

    def loop(self) -> None:
        """Deliver until the agent stops."""
        supervised("pictures", self._rooms.stopping, self._step)

    def _step(self) -> None:
        found = self._rooms.outbox.first_picture()
        if found is None:
            self._rooms.stopping.wait(LOOK_SECONDS)
            return
        report, jpeg = found
        try:
            self._rooms.cloud.picture(str(report.body["eventId"]), jpeg)
        except (CloudRefused, CloudUnavailable) as error:
            self._failed(report, error)
        else:
            log("picture_sent", eventId=report.name, size=len(jpeg))
            self._done(report)

    def _failed(self, report: Report, error: CloudRefused | CloudUnavailable) -> None:
        """Try again later; what the cloud does not want, or cannot digest, is given up."""
        counts = isinstance(error, CloudFailed) or error.status == NOT_THERE
        self._failures += counts
        refused = isinstance(error, CloudRefused) and error.status != NOT_THERE
        if refused or self._failures >= PATIENCE:
            log("picture_refused", "WARNING", eventId=report.name, reason=str(error))
            self._done(report)
            return
        self._attempts += 1
        if self._attempts == 1:
            log("picture_waits", "WARNING", eventId=report.name, reason=str(error))
        self._rooms.stopping.wait(delay(self._rooms.timing, self._attempts))

    def _done(self, report: Report) -> None:
        self._attempts = self._failures = 0
        self._rooms.outbox.remove(report)
