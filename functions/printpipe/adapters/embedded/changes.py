"""Following a store's changes from a thread of one's own."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from printpipe.domain.ports.documents import Document

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""How soon another process's write is noticed; writes of this process wake the followers at once."""


@dataclass(frozen=True)
class Change:
    """One write that changed a document."""

    kind: Literal["created", "updated", "deleted"]
    path: str
    before: Document | None
    after: Document | None


class Bell:
    """Wakes every follower after a commit in this process."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rung = 0

    def ring(self) -> None:
        """Something was written."""
        with self._condition:
            self._rung += 1
            self._condition.notify_all()

    def wait(self, rung: int, seconds: float) -> int:
        """Returns after the next ring behind `rung`, or after `seconds`; gives the count of rings."""
        with self._condition:
            self._condition.wait_for(lambda: self._rung != rung, seconds)
            return self._rung


class Follower:
    """A listener: calls `step` at once and whenever the store may have changed, from its own thread."""

    def __init__(self, bell: Bell, step: Callable[[], None]) -> None:
        self._bell = bell
        self._step = step
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="documents-follower", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        rung = 0
        while not self._closed.is_set():
            try:
                self._step()
            except Exception:
                _log.exception("listener_failed")
            rung = self._bell.wait(rung, POLL_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether it goes on; a step that fails is tried again."""
        return not self._closed.is_set() and self._thread.is_alive()

    def close(self) -> None:
        """Ends the calls; when it returns, none is under way (except from inside a call)."""
        self._closed.set()
        self._bell.ring()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
