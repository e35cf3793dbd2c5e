"""Commands over HTTPS: the reconcile that makes up for a lost message, or the only intake where there is no Pub/Sub."""

from collections.abc import Mapping
from typing import Any

from edge_agent import backoff
from edge_agent.cloud import CloudError
from edge_agent.execution import Rooms
from edge_agent.inbox import Inbox
from edge_agent.logs import log


class ControlIntake:
    """GET /control?claim=true: every `reconcile` seconds, or held open by the server when `only` is set."""

    def __init__(self, rooms: Rooms, inbox: Inbox, *, only: bool) -> None:
        self._rooms = rooms
        self._inbox = inbox
        self._wait = min(rooms.timing.pull_wait, 20.0) if only else 0.0
        self._pause = 0.0 if only else rooms.timing.reconcile

    def loop(self) -> None:
        """Ask until the agent stops."""
        failures = 0
        while not self._rooms.stopping.is_set():
            began = self._rooms.clock.monotonic()
            try:
                commands: list[Mapping[str, Any]] = self._rooms.cloud.pending(self._wait)
            except CloudError as error:
                failures += 1
                if failures == 1:
                    log("control_unreachable", "WARNING", reason=str(error))
                timing = self._rooms.timing
                self._rooms.stopping.wait(
                    backoff.delay(failures, first=timing.retry_first, ceiling=timing.retry_ceiling)
                )
                continue
            failures = 0
            for command in commands:
                if self._rooms.stopping.is_set():
                    return
                self._inbox.receive(command)
            spent = self._rooms.clock.monotonic() - began
            if self._pause:
                self._rooms.stopping.wait(self._pause)
            elif spent < 0.2:
                self._rooms.stopping.wait(0.2)
