"""One camera for several who want a picture at once: it has room for one viewer, and needs its rest."""

import threading
from collections.abc import Callable

from edge_agent.camera.limit import Limit
from edge_agent.drivers.base import CameraFailed

APART_SECONDS = 2.0
"""Between two pictures, at the least."""

Look = Callable[[Limit], bytes]
"""Takes a picture within the limit. Raises CameraFailed, and as the limit's check does."""


class SharedCamera:
    """A `Camera`. Who asks while others wait for a picture is given the same one; none is older than its asking."""

    def __init__(self, look: Look, seconds: float, monotonic: Callable[[], float], stopping: threading.Event) -> None:
        self._look = look
        self._seconds = seconds
        self._monotonic = monotonic
        self._stopping = stopping
        self._turn = threading.Lock()
        self._asking = 0
        self._counting = threading.Lock()
        self._came: tuple[float, bytes | CameraFailed] | None = None
        self._rests_until = float("-inf")

    def picture(self, check: Callable[[], None]) -> bytes:
        """See `Camera`; the time counts from the asking on, whoever else is before it."""
        asked = self._monotonic()
        limit = Limit(self._seconds, self._monotonic, self._stopping, check)
        with self._counting:
            self._asking += 1
        try:
            while not self._turn.acquire(timeout=limit.step()):
                continue
            try:
                return self._taken(asked, limit)
            finally:
                self._turn.release()
        finally:
            with self._counting:
                self._asking -= 1
                if not self._asking:
                    self._came = None

    def _taken(self, asked: float, limit: Limit) -> bytes:
        came = self._came
        if came is None or came[0] < asked:
            outcome = self._outcome(limit)
            came = self._came = self._monotonic(), outcome
        if isinstance(came[1], CameraFailed):
            raise CameraFailed(came[1].code, str(came[1]))
        return came[1]

    def _outcome(self, limit: Limit) -> bytes | CameraFailed:
        while (rest := self._rests_until - self._monotonic()) > 0:
            self._stopping.wait(min(rest, limit.step()))
        try:
            return self._look(limit)
        except CameraFailed as failure:
            return failure
        finally:
            self._rests_until = self._monotonic() + APART_SECONDS
