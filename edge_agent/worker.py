"""One worker per printer: its commands in sequence, with a lane past them for pause and cool-down and one for stop.

What is done with the printer's storage has a lane beside all of these: a copy takes long, and concerns no print.
"""

import threading
from collections.abc import Callable

from edge_agent.command import Command
from edge_agent.execution import Rooms
from edge_agent.logs import log_exception
from edge_agent.supervision import supervised

Execute = Callable[[Command], None]


def lane_of(command: Command) -> str:
    """Which of the printer's lanes the command takes: nothing ever waits in front of a stop but another stop."""
    if command.is_storage:
        return "storage"
    if command.kind == "stop":
        return "stop"
    return "priority" if command.is_priority else "normal"


class Worker:
    """Up to four threads over one set of pending commands."""

    def __init__(self, name: str, execute: Execute, rooms: Rooms) -> None:
        self._execute = execute
        self._rooms = rooms
        self._changed = threading.Condition()
        self._pending: dict[str, Command] = {}
        self._running: dict[str, Command] = {}
        self._name = name
        self._lanes: dict[str, threading.Thread] = {}

    def submit(self, command: Command) -> None:
        """Queue the command, unless it is queued or running. A lane's thread begins with its first command."""
        lane = lane_of(command)
        with self._changed:
            if lane not in self._lanes:
                thread = threading.Thread(target=self._loop, args=(lane,), name=f"{self._name}-{lane}", daemon=True)
                thread.start()
                self._lanes[lane] = thread
            if command.command_id not in self._pending and command.command_id not in self._running:
                self._pending[command.command_id] = command
                self._changed.notify_all()

    def join(self, until: Callable[[], float]) -> None:
        """Let the lanes see that the agent stops, and wait for each at most the seconds that `until` then gives."""
        with self._changed:
            self._changed.notify_all()
            lanes = list(self._lanes.values())
        for thread in lanes:
            thread.join(max(until(), 0.0))

    def _loop(self, lane: str) -> None:
        supervised(f"{self._name}-{lane}", self._rooms.stopping, lambda: self._step(lane))

    def _step(self, lane: str) -> None:
        command = self._next(lane)
        if command is None:
            return
        try:
            self._execute(command)
        except Exception as error:
            log_exception("lane_failed", error, commandId=command.command_id)
        finally:
            with self._changed:
                del self._running[command.command_id]
                self._changed.notify_all()

    def _next(self, lane: str) -> Command | None:
        with self._changed:
            while not self._rooms.stopping.is_set():
                mine = [command for command in self._pending.values() if lane_of(command) == lane]
                if mine:
                    first = min(mine, key=lambda command: command.order)
                    if not self._must_wait(first, lane):
                        del self._pending[first.command_id]
                        self._running[first.command_id] = first
                        return first
                self._changed.wait()
            return None

    def _must_wait(self, command: Command, lane: str) -> bool:
        """A normal command lets the older ones of the lanes past it go first, whichever arrived first."""
        if lane != "normal":
            return False
        others = [*self._pending.values(), *self._running.values()]
        return any(lane_of(other) in ("priority", "stop") and other.order < command.order for other in others)
