"""The agent's sign of life: without it the cloud could not tell an idle site from a dead one."""

from edge_agent import VERSION, backoff
from edge_agent.cloud import CloudRefused, CloudUnavailable
from edge_agent.execution import Rooms
from edge_agent.logs import log
from edge_agent.supervision import supervised


class Heartbeat:
    """Tells the cloud now and then that the agent is there, and hears its time; nothing is kept for later."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._failures = 0

    def loop(self) -> None:
        """Beat until the agent stops."""
        supervised("heartbeat", self._rooms.stopping, self._step)

    def _step(self) -> None:
        self._rooms.stopping.wait(self._beat())

    def _beat(self) -> float:
        """Send one; the seconds until the next. What the cloud refuses it may take after somebody has mended it."""
        timing = self._rooms.timing
        asked_at = self._rooms.clock.monotonic()
        try:
            moment = self._rooms.cloud.heartbeat(VERSION)
        except CloudUnavailable as error:
            self._complain(error)
            wait = backoff.delay(self._failures, first=timing.retry_first, ceiling=timing.retry_ceiling)
            return min(wait, timing.heartbeat)
        except CloudRefused as error:
            self._complain(error)
            return timing.heartbeat
        self._failures = 0
        if moment is not None:
            self._rooms.server_time.heard(moment, asked_at)
        return timing.heartbeat

    def _complain(self, error: CloudUnavailable | CloudRefused) -> None:
        """Once for each time that the line goes down."""
        self._failures += 1
        if self._failures == 1:
            log("heartbeat_failed", "WARNING", reason=str(error))
