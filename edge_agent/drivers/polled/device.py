"""What a brand has to know about its printer; everything else is done for it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Literal, Protocol

from edge_agent.drivers.base import PrinterInfo, Storage
from edge_agent.drivers.polled.looks import Look

UnseenReason = Literal["unreachable", "access_code_refused", "wrong_serial"]


class Unseen(Exception):
    """The printer cannot be seen; the message is for the operator.

    `access_code_refused` and `wrong_serial`: it answers, and is not to be talked to. `advice` is what to do about it.
    """

    def __init__(self, message: str, reason: UnseenReason = "unreachable", advice: str = "") -> None:
        super().__init__(message)
        self.reason: UnseenReason = reason
        self.advice = advice

    @property
    def refused(self) -> bool:
        """Whether the printer answers, and is not to be talked to."""
        return self.reason != "unreachable"


class Sending(Enum):
    """What became of a request. Only what provably was not done is ever sent again."""

    NOT_SENT = auto()
    """no connection: nothing has left this machine"""
    SHUT_OUT = auto()
    """the printer does not let us in: nothing was done"""
    UNANSWERED = auto()
    """it may have been done"""
    UNCLEAR = auto()
    """there is an answer, and it may have been done"""
    REFUSED = auto()
    """the printer said no: nothing was done"""
    TAKEN = auto()
    """the printer said yes"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request, with the printer's words or the reason for the operator."""

    sending: Sending
    message: str = ""

    @property
    def is_undone(self) -> bool:
        """Whether it never reached the printer's ear."""
        return self.sending in (Sending.NOT_SENT, Sending.SHUT_OUT)

    @property
    def is_answered(self) -> bool:
        """Whether the printer answered."""
        return self.sending in (Sending.UNCLEAR, Sending.REFUSED, Sending.TAKEN)

    @property
    def is_taken(self) -> bool:
        """Whether the printer said yes."""
        return self.sending is Sending.TAKEN


class Device(Protocol):
    """A whole printer of a brand.

    Thread-safe, with one `look` at a time. What has an effect is sent once, and waits a bounded time for its answer.
    """

    @property
    def brand(self) -> str:
        """The name of what is talked to, for people."""

    @property
    def storage(self) -> Storage:
        """Its files."""

    @property
    def extensions(self) -> tuple[str, ...]:
        """How the names of files end that the printer prints, in lower case; the first two are named to people."""

    def look(self, first: bool) -> Look:
        """What the printer shows now; `first` since it could not be seen. Raises Unseen."""

    def size_of(self, name: str) -> int:
        """The bytes of an uploaded file. Raises StorageFailed."""

    def upload(self, source: Path, name: str, check: Callable[[], None]) -> None:
        """Write a start's file, before any other; `check` may raise. Raises StorageFailed, LineBroken."""

    def start(self, name: str) -> Reply:
        """Print an uploaded file."""

    def stop(self, job: str) -> Reply:
        """End the job that was shown with this `job_id`."""

    def pause(self, job: str) -> Reply:
        """Pause the job that was shown with this `job_id`."""

    def resume(self, job: str) -> Reply:
        """Resume it likewise."""

    def introduce(self, check: Callable[[], None]) -> PrinterInfo:
        """Ask the printer who it is, without any effect; `check` may raise. Raises ConnectionFailed."""
