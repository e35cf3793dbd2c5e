"""Whether the backend works, for anybody who asks: remembered for a moment, so that asking costs nothing."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log_failure
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Documents
from printpipe.services.store import queries

VERSION = "0.1.0"
REMEMBER_SECONDS = 5.0
HEARD_OF = timedelta(minutes=5)
"""An agent that was heard of no longer ago counts as online; of a sign of life every 20 s one is noted in 2 minutes."""

_MOST_COUNTED = 1000
"""As many index entries as Firestore counts for the price of one read."""


@dataclass(frozen=True)
class Agents:
    """The sites of our agents, all tenants' together: how many (1,000 at most are counted), and heard of when."""

    total: int = 0
    online: int = 0
    last_heard_at: datetime | None = None


@dataclass(frozen=True)
class Health:
    """Whether the store answers, how many printers it holds (1,000 at most are counted), and the process's age."""

    connected: bool
    active_printers: int
    agents: Agents
    uptime_seconds: int


class Pulse:
    """One process's health. `tick` is a monotonic clock in seconds."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick, self._started = tick, tick()
        self._lock = threading.Lock()
        self._found: tuple[int, Agents] | None = None
        self._good_until = self._started

    def take(self, documents: Documents, collections: Collections, now: datetime) -> Health:
        """The health now, or a few seconds ago; while the store is asked, whoever else wants to know waits for that."""
        with self._lock:
            if self._tick() >= self._good_until:
                self._found = _count(documents, collections, now)
                self._good_until = self._tick() + REMEMBER_SECONDS
            found = self._found
        active, agents = found or (0, Agents())
        return Health(found is not None, active, agents, int(self._tick() - self._started))


def _count(documents: Documents, collections: Collections, now: datetime) -> tuple[int, Agents] | None:
    """Bounded questions that cost one read each; None where there is no answer."""
    try:
        active = documents.count(queries.active_printers(collections, _MOST_COUNTED))
        total = documents.count(queries.sites_of_agents(collections, None, _MOST_COUNTED))
        online = documents.count(queries.sites_of_agents(collections, now - HEARD_OF, _MOST_COUNTED))
        last = documents.query(queries.agent_heard_last(collections))
        return active, Agents(total, online, last[0].data["lastSeenAt"] if last else None)
    except Unavailable:
        log_failure("store_unreachable")
        return None
