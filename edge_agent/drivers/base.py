"""What the agent asks of a printer's driver, whatever the brand."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from edge_agent.command import Outcome
from edge_agent.execution import Run

PrinterState = Literal["idle", "preparing", "printing", "paused", "completed", "failed", "offline", "unknown"]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The printer now: `material` changes are sent at once, `numbers` are coalesced. Wire names inside."""

    state: PrinterState
    material: tuple[object, ...]
    numbers: dict[str, Any]


class Driver(Protocol):
    """One printer."""

    serial: str
    address: str

    def start(self) -> None:
        """Begin to connect; returns at once."""

    def stop(self) -> None:
        """Begin to say goodbye to the printer; returns at once."""

    def join(self, seconds: float) -> None:
        """Wait until the goodbye has been said, at most so long."""

    def perform(self, run: Run) -> Outcome:
        """Carry out the run's command, however often it is called with it; see `execution.Run` for what to tell it.

        Raises Refused, Dropped and Halted as the run does.
        """

    def status(self) -> StatusReport | None:
        """What is known now; None while it is too early to say."""

    def tick(self) -> None:
        """Time has passed; called about twice a second."""
