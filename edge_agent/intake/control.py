"""Commands over HTTPS: the reconcile that makes up for a lost message, or the only intake where there is no Pub/Sub."""

from collections.abc import Mapping
from typing import Any

from edge_agent import backoff
from edge_agent.cloud import CloudError
from edge_agent.execution import Rooms
from edge_agent.inbox import Inbox
from edge_agent.logs import log, log_exception
from edge_agent.supervision import supervised

EMPTY_PAUSE_SECONDS = 0.2
"""After an answer that was not held open."""


class ControlIntake:
    """GET /control?claim=true: every `reconcile` seconds, or held open by the server when `only` is set."""

    def __init__(self, rooms: Rooms, inbox: Inbox, *, only: bool) -> None:
        self._rooms = rooms
        self._inbox = inbox
        self._wait = min(rooms.timing.pull_wait, 20.0) if only else 0.0
        self._pause = 0.0 if only else rooms.timing.reconcile
        self._failures = 0

    def loop(self) -> None:
        """Ask until the agent stops."""
        supervised("control", self._rooms.stopping, self._step)

    def _step(self) -> None:
        timing, stopping = self._rooms.timing, self._rooms.stopping
        began = self._rooms.clock.monotonic()
        try:
            commands: list[Mapping[str, Any]] = self._rooms.cloud.pending(self._wait)
        except CloudError as error:
            self._failures += 1
            if self._failures == 1:
                log("control_unreachable", "WARNING", reason=str(error))
            stopping.wait(backoff.delay(self._failures, first=timing.retry_first, ceiling=timing.retry_ceiling))
            return
        self._failures = 0
        for command in commands:
            if stopping.is_set():
                return
            self._take(command)
        if self._pause:
            stopping.wait(self._pause)
        elif self._rooms.clock.monotonic() - began < EMPTY_PAUSE_SECONDS:
            stopping.wait(EMPTY_PAUSE_SECONDS)

    def _take(self, command: Mapping[str, Any]) -> None:
        """Hand the command in; one that cannot be written down comes again when its lease has run out."""
        try:
            self._inbox.receive(command)
        except Exception as error:
            log_exception("command_not_taken", error)
