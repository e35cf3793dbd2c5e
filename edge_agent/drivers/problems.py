"""What stops a printer from working, for its operator: said by the driver, told to the cloud once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, Self

from edge_agent.execution import Rooms
from edge_agent.reporters.events import EventReporter
from edge_agent.timestamps import render

Reason = Literal[
    "access_code_refused",
    "wrong_certificate",
    "wrong_serial",
    "ca_file_unusable",
    "unreachable",
    "silent",
    "deaf",
    "developer_mode_off",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: `text` is for the operator, `facts` go along with the event.

    A `passing` one may be over by itself in a moment, as a short break of the connection is.
    """

    reason: Reason
    text: str
    passing: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)

    def lasting(self, since: datetime) -> Self:
        """The same, and since when."""
        text = f"{self.text}, since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return replace(self, text=text, facts={**self.facts, "since": render(since)})


class ProblemWatch:
    """Tells the cloud when a problem begins and when it is over. What it told is on disk: a restart repeats nothing."""

    def __init__(self, serial: str, rooms: Rooms, events: EventReporter) -> None:
        self._name = f"problem:{serial}"
        self._rooms = rooms
        self._events = events
        row = rooms.store.row("SELECT value FROM meta WHERE name = ?", (self._name,))
        self._told: str | None = None if row is None else str(row["value"])

    def see(self, problem: Problem | None) -> None:
        """What is the matter now; None: the printer works. To be called only where one of the two is known."""
        if self._told == (None if problem is None else problem.reason):
            return
        with self._rooms.store.transaction():
            if self._told is not None and problem is None:
                self._events.report(
                    "printer_problem_cleared", "info", "the problem is over", error_data={"reason": self._told}
                )
                self._rooms.store.execute("DELETE FROM meta WHERE name = ?", (self._name,))
            if problem is not None:
                self._events.report(
                    "printer_problem", "warning", problem.text, error_data={"reason": problem.reason, **problem.facts}
                )
                self._rooms.store.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (self._name, problem.reason))
        self._told = None if problem is None else problem.reason
