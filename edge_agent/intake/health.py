"""Whether commands come over Pub/Sub: as long as they do not, the HTTPS poll is held open in its place."""

import threading

from edge_agent.logs import log
from edge_agent.timestamps import Clock


class Health:
    """What the subscriptions say of themselves; one that has failed for `patience` seconds counts as blocked.

    One is enough: a stop comes by one of them alone. Thread-safe.
    """

    def __init__(self, clock: Clock, patience: float) -> None:
        self._clock = clock
        self._patience = patience
        self._failing_since: dict[str, float] = {}
        self._blocked = False
        self._lock = threading.Lock()

    def works(self, subscription: str) -> None:
        """It has answered, or was silent as one is that holds nothing."""
        with self._lock:
            self._failing_since.pop(subscription, None)

    def fails(self, subscription: str) -> None:
        """It could not be asked."""
        with self._lock:
            self._failing_since.setdefault(subscription, self._clock.monotonic())

    def is_blocked(self) -> bool:
        """Whether commands had better not be waited for there."""
        with self._lock:
            until = self._clock.monotonic() - self._patience
            blocked = any(since <= until for since in self._failing_since.values())
            turned, self._blocked = blocked != self._blocked, blocked
        if turned:
            log("pubsub_blocked" if blocked else "pubsub_back", "WARNING" if blocked else "INFO")
        return blocked
