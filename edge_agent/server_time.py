"""The cloud's time as the agent knows it: what the cloud last said, and the seconds since by a clock that only runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from edge_agent.config import Timing
from edge_agent.logs import log
from edge_agent.timestamps import Clock

SLOWEST_ANSWER_SECONDS = 10.0
"""An answer that took longer says too little about the time."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """The cloud's clock showed `moment` at some time between asking and the answer, by the monotonic clock."""

    moment: datetime
    asked_at: float
    answered_at: float


class ServerTime:
    """This machine's clock may be wrong, or be set in between; it counts only until the cloud has told its time."""

    def __init__(self, clock: Clock, timing: Timing | None = None) -> None:
        """`timing.clock_skew` is how far this machine's clock may be off before it counts as wrong."""
        self._clock = clock
        self._timing = timing or Timing()
        self._heard: _Heard | None = None
        self._was_wrong = False

    def heard(self, moment: datetime, at: float) -> None:
        """The cloud's clock showed `moment`, no sooner than the monotonic clock showed `at`, and until now at most.

        A slow answer counts only where there was none before.
        """
        now = self._clock.monotonic()
        if self._heard is None or now - at <= SLOWEST_ANSWER_SECONDS:
            self._heard = _Heard(moment, at, now)
            self._tell()

    def now(self) -> datetime:
        """The present by the cloud's clock."""
        heard = self._heard
        if heard is None:
            return self._clock.now()
        return heard.moment + timedelta(seconds=self._clock.monotonic() - heard.asked_at)

    @property
    def skew(self) -> float | None:
        """By how many seconds at least this machine's clock is ahead of the cloud's now, or behind it where negative.

        What the way of the answer explains is no difference. None before the first answer.
        """
        heard = self._heard
        if heard is None:
            return None
        ahead = (self._clock.now() - heard.moment).total_seconds() - self._clock.monotonic()
        at_least, at_most = ahead + heard.asked_at, ahead + heard.answered_at
        return max(at_least, 0.0) or min(at_most, 0.0)

    @property
    def wrong_by(self) -> float | None:
        """The skew in seconds, where it is more than this machine's clock may be off."""
        skew = self.skew
        return skew if skew is not None and abs(skew) > self._timing.clock_skew else None

    def _tell(self) -> None:
        """Log it once when the clock is found wrong, and once when it is right again."""
        wrong_by = self.wrong_by
        if wrong_by is not None and not self._was_wrong:
            log("clock_skewed", "ERROR", seconds=round(wrong_by, 1), advice="set this machine's clock (NTP)")
        elif wrong_by is None and self._was_wrong:
            log("clock_right_again")
        self._was_wrong = wrong_by is not None
