"""How long a picture may take, whatever the camera does meanwhile."""

from collections.abc import Callable
from threading import Event

from edge_agent.drivers.base import CameraFailed

REST_SECONDS = 0.5
"""Between two attempts."""


class Broken(CameraFailed):
    """The camera was there, and then the line, or what came over it, was not: worth another attempt."""

    def __init__(self, message: str) -> None:
        super().__init__("unreachable", message)


class Limit:
    """The time for one picture, from its making on; `check` may raise whenever there is a pause."""

    STEP_SECONDS = 0.25
    """The longest wait between two checks."""

    def __init__(
        self, seconds: float, monotonic: Callable[[], float], stopping: Event, check: Callable[[], None]
    ) -> None:
        self._seconds = seconds
        self._until = monotonic() + seconds
        self._monotonic = monotonic
        self._stopping = stopping
        self._check = check

    def left(self) -> float:
        """The seconds that are left, more than none. Raises CameraFailed when there are none, and as `check` does."""
        self._check()
        left = self._until - self._monotonic()
        if self._stopping.is_set():
            raise CameraFailed("unreachable", "the agent stops")
        if left <= 0:
            raise CameraFailed("unreachable", f"the camera gave no picture within {self._seconds:g} s")
        return left

    def step(self) -> float:
        """How long may be waited before the next call of this. Raises likewise."""
        return min(self.left(), self.STEP_SECONDS)

    def persistent(self, attempt: Callable[[], bytes]) -> bytes:
        """What the attempt brings, which is repeated while the camera is busy or the line broke, and there is time.

        A line that broke is what is told in the end: the camera may be busy with the viewer that it lost by that.
        """
        told: CameraFailed | None = None
        while True:
            try:
                return attempt()
            except CameraFailed as failure:
                told = failure if told is None or told.code == "busy" else told
                passes = isinstance(failure, Broken) or failure.code == "busy"
                if not passes or self._until - self._monotonic() <= REST_SECONDS:
                    raise told from None
            self._stopping.wait(REST_SECONDS)
            self.left()
