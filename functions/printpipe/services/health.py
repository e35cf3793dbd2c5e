"""Whether the backend works, for anybody who asks: remembered for a moment, so that asking costs nothing."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log_failure
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Documents
from printpipe.services import queries

VERSION = "0.1.0"
REMEMBER_SECONDS = 5.0
_MOST_PRINTERS = 1000
"""As many index entries as Firestore counts for the price of one read."""


@dataclass(frozen=True)
class Health:
    """Whether the store answers, how many printers it holds (1,000 at most are counted), and the process's age."""

    connected: bool
    active_printers: int
    uptime_seconds: int


class Pulse:
    """One process's health. `tick` is a monotonic clock in seconds."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick, self._started = tick, tick()
        self._lock = threading.Lock()
        self._counted: int | None = None
        self._good_until = self._started

    def take(self, documents: Documents, collections: Collections) -> Health:
        """The health now, or a few seconds ago; while the store is asked, whoever else wants to know waits for that."""
        with self._lock:
            if self._tick() >= self._good_until:
                self._counted = _count(documents, collections)
                self._good_until = self._tick() + REMEMBER_SECONDS
            counted = self._counted
        return Health(counted is not None, counted or 0, int(self._tick() - self._started))


def _count(documents: Documents, collections: Collections) -> int | None:
    """One bounded question that costs one read; None where there is no answer."""
    try:
        return documents.count(queries.active_printers(collections, _MOST_PRINTERS))
    except Unavailable:
        log_failure("store_unreachable")
        return None
