"""Commands over HTTPS: the reconcile that makes up for a lost message, or the only intake where there is no Pub/Sub."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from edge_agent import backoff
from edge_agent.cloud import CloudError
from edge_agent.execution import Rooms
from edge_agent.inbox import Inbox
from edge_agent.logs import log, log_exception
from edge_agent.supervision import supervised

LONGEST_WAIT_SECONDS = 20.0
EMPTY_PAUSE_SECONDS = 0.2
"""After an answer that was not held open."""


class ControlIntake:
    """GET /control?claim=true: every `reconcile` seconds, or held open by the server as long as `only` holds."""

    def __init__(self, rooms: Rooms, inbox: Inbox, *, only: Callable[[], bool]) -> None:
        self._rooms = rooms
        self._inbox = inbox
        self._only = only
        self._hurried = threading.Event()
        self._failures = 0

    def hurry(self) -> None:
        """Ask again now: what it was asked with has changed, or the agent stops."""
        self._hurried.set()

    def loop(self) -> None:
        """Ask until the agent stops."""
        supervised("control", self._rooms.stopping, self._step)

    def _step(self) -> None:
        timing, stopping = self._rooms.timing, self._rooms.stopping
        self._hurried.clear()
        wait = min(timing.pull_wait, LONGEST_WAIT_SECONDS) if self._only() else 0.0
        began = self._rooms.clock.monotonic()
        try:
            commands: list[Mapping[str, Any]] = self._rooms.cloud.pending(wait)
        except CloudError as error:
            self._failures += 1
            if self._failures == 1:
                log("control_unreachable", "WARNING", reason=str(error))
            self._hurried.wait(backoff.delay(self._failures, first=timing.retry_first, ceiling=timing.retry_ceiling))
            return
        self._failures = 0
        for command in commands:
            if stopping.is_set():
                return
            self._take(command)
        if not self._only():
            self._hurried.wait(timing.reconcile)
        elif self._rooms.clock.monotonic() - began < EMPTY_PAUSE_SECONDS:
            stopping.wait(EMPTY_PAUSE_SECONDS)

    def _take(self, command: Mapping[str, Any]) -> None:
        """Hand the command in; one that cannot be written down comes again when its lease has run out."""
        try:
            self._inbox.receive(command)
        except Exception as error:
            log_exception("command_not_taken", error)
