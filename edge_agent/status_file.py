"""What the running agent knows of itself, in a file beside its store, which nobody else can open meanwhile."""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge_agent import VERSION
from edge_agent.config import AgentConfig
from edge_agent.drivers.base import Driver, StatusReport
from edge_agent.execution import Rooms
from edge_agent.fleet import Fleet
from edge_agent.logs import log
from edge_agent.outbox import Kind
from edge_agent.supervision import supervised
from edge_agent.timestamps import render

NAME = "status.json"
EVERY_SECONDS = 5.0
TICK_SECONDS = 0.5


class StatusFile:
    """Writes the file every few seconds, and when the state of a printer or the line to the cloud has changed.

    It is there as long as the agent runs: one that an agent leaves behind, killed, names a process that is gone.
    """

    def __init__(
        self, config: AgentConfig, rooms: Rooms, fleet: Fleet, seen: Callable[[], Mapping[str, StatusReport]]
    ) -> None:
        """`seen` is the status of the printers by serial, of those of which something is known."""
        self._path = config.state_dir / NAME
        self._recipient = config.recipient_id
        self._rooms = rooms
        self._fleet = fleet
        self._seen = seen
        self._started_at = rooms.clock.now()
        self._material: object = None
        self._written = float("-inf")
        self._complained = False
        self._reachable: bool | None = None
        self._since = self._started_at

    def loop(self) -> None:
        """Write until the agent stops, then take the file away."""
        supervised("status-file", self._rooms.stopping, self._step)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _step(self) -> None:
        printers = self._printers()
        contact = self._rooms.cloud.contact
        reachable = None if contact is None else contact.reachable
        if reachable != self._reachable:
            self._reachable, self._since = reachable, self._rooms.clock.now()
        shown = [(each["serial"], each["address"], each["state"], each["problem"]) for each in printers]
        material = (reachable, self._rooms.store.trouble, shown)
        now = self._rooms.clock.monotonic()
        if material != self._material or now - self._written >= EVERY_SECONDS:
            self._material, self._written = material, now
            self._try(printers)
        self._rooms.stopping.wait(TICK_SECONDS)

    def _try(self, printers: list[dict[str, Any]]) -> None:
        """An agent that cannot write the file works all the same, and says so once."""
        try:
            self._write(printers)
            self._complained = False
        except OSError as error:
            if not self._complained:
                log("status_file_unwritable", "WARNING", path=self._path, reason=str(error))
            self._complained = True

    def _write(self, printers: list[dict[str, Any]]) -> None:
        rooms, contact = self._rooms, self._rooms.cloud.contact
        waiting = rooms.outbox.summary()
        content = {
            "version": VERSION,
            "pid": os.getpid(),
            "recipient_id": self._recipient,
            "agent_id": rooms.journal.agent_id,
            "started_at": render(self._started_at),
            "updated_at": render(rooms.clock.now()),
            "cloud": {
                "reachable": self._reachable,
                "since": render(self._since),
                "problem": None if contact is None else contact.problem,
            },
            "clock_skew": round(rooms.server_time.skew or 0.0, 1),
            "store_problem": rooms.store.trouble,
            "outbox": {
                **{kind.value: waiting.waiting.get(kind, 0) for kind in Kind},
                "bytes": waiting.bytes,
                "oldest": None if waiting.oldest is None else render(waiting.oldest),
            },
            "printers": printers,
        }
        replace_private(self._path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def _printers(self) -> list[dict[str, Any]]:
        names = {section.serial: section.name for section in self._fleet.printers()}
        seen = self._seen()
        return [_printer(each, names.get(each.serial), seen.get(each.serial)) for each in self._fleet.drivers()]


def _printer(driver: Driver, name: str | None, report: StatusReport | None) -> dict[str, Any]:
    numbers: Mapping[str, Any] = {} if report is None else report.numbers
    state = "unknown" if report is None else report.state
    return {
        "serial": driver.serial,
        "name": name,
        "address": driver.address,
        "state": state,
        "connected": report is not None and state != "offline",
        "problem": driver.problem,
        "job": numbers.get("printJobId"),
    }


def replace_private(path: Path, text: str) -> None:
    """Put the text in the place of what the file held, at once, for the owner's eyes alone. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with contextlib.closing(os.fdopen(descriptor, "w", encoding="utf-8")) as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
    os.replace(fresh, path)
