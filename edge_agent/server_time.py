"""The cloud's time as the agent knows it: what the cloud last said, and the seconds since by a clock that only runs."""

from datetime import datetime, timedelta

from edge_agent.timestamps import Clock


class ServerTime:
    """This machine's clock may be wrong, or be set in between; it counts only until the cloud has told its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: tuple[datetime, float] | None = None

    def heard(self, moment: datetime, at: float) -> None:
        """The cloud's clock showed `moment`, no sooner than the monotonic clock showed `at`."""
        self._heard = (moment, at)

    def now(self) -> datetime:
        """The present by the cloud's clock."""
        heard = self._heard
        if heard is None:
            return self._clock.now()
        moment, at = heard
        return moment + timedelta(seconds=self._clock.monotonic() - at)
