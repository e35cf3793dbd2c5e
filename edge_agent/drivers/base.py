"""What the agent asks of a printer's driver, whatever the brand."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from edge_agent.command import Outcome
from edge_agent.execution import Run

PRINT_FILES = (".3mf", ".gcode", ".gco", ".bgcode", ".stl")
"""How the names of print files end, in lower case."""

PrinterState = Literal["idle", "preparing", "printing", "paused", "completed", "failed", "offline", "unknown"]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The printer now: `material` changes are sent at once, `numbers` are coalesced. Wire names inside."""

    state: PrinterState
    material: tuple[object, ...]
    numbers: dict[str, Any]


def is_print_file(name: str) -> bool:
    """Whether the name is that of a print file."""
    return name.lower().endswith(PRINT_FILES)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the printer's storage. `path` begins with `/`; `size` is in bytes.

    `modified_at` is aware, by the printer's clock, which may be wrong; None where the printer does not tell it.
    """

    path: str
    size: int
    modified_at: datetime | None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Listing:
    """The print files in the printer's storage, the newest first; `truncated` where there are more."""

    files: Sequence[StoredFile]
    truncated: bool

    @classmethod
    def newest(cls, found: Iterable[StoredFile], limit: int) -> Self:
        """The newest of what was found; files without a time come last, by their paths."""
        ordered = sorted(found, key=lambda file: file.path)
        ordered.sort(key=lambda file: file.modified_at.timestamp() if file.modified_at else 0.0, reverse=True)
        return cls(ordered[:limit], len(ordered) > limit)


@dataclass(frozen=True, slots=True)
class Reading:
    """An open download: `blocks` are the file's bytes from `offset` on, to its end."""

    offset: int
    blocks: Iterator[bytes]


StorageErrorCode = Literal["unreachable", "refused", "not_found", "no_space", "interrupted"]


class StorageFailed(Exception):
    """The printer will answer the same again; `code` says what kind of answer it is, the message is for the operator.

    `refused` is the access code, the file's name, or anything else that the printer does not want.
    """

    def __init__(self, code: StorageErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: StorageErrorCode = code


class LineBroken(StorageFailed):
    """No connection, or one that broke: worth another attempt. `code` is `unreachable` or `interrupted`."""


class Storage(Protocol):
    """A printer's storage of files; every call may use a connection of its own and blocks for a bounded time.

    All raise StorageFailed, or LineBroken where another attempt is worth while. A callback may raise anything, which
    goes through.
    """

    def files(self, limit: int, check: Callable[[], None]) -> Listing:
        """The print files, `limit` at most (see `Listing.newest`); `check` is called now and then."""

    def find(self, path: str) -> StoredFile:
        """Size and time of one file. Raises StorageFailed `not_found`."""

    def read(self, path: str, offset: int) -> AbstractContextManager[Reading]:
        """Open the file at this byte; the end of the context ends the connection, at whatever block.

        A printer that cannot begin in the middle begins at 0, as the reading says. Raises as `find` does, the blocks
        raise LineBroken; the caller compares what came with the file's size.
        """

    def send(self, source: Path, name: str, progress: Callable[[int], None]) -> StoredFile:
        """Write the file where the printer's own list shows it, over one of the same name, and verify its size there.

        `progress` is called between blocks with the bytes sent so far. What is not whole is removed again.
        """


ConnectionErrorCode = Literal["unreachable", "refused", "wrong_certificate", "wrong_serial", "unknown_printer"]


class ConnectionFailed(Exception):
    """The connection test's bad end; the message is for the operator."""

    def __init__(self, code: ConnectionErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ConnectionErrorCode = code


@dataclass(frozen=True, slots=True)
class PrinterInfo:
    """What a printer says about itself; None where it does not."""

    serial: str | None = None
    model: str | None = None
    firmware_version: str | None = None


PICTURE_BYTES = 10 * 1024 * 1024
"""The largest picture that the cloud takes."""

CameraErrorCode = Literal["off", "unsupported", "unreachable", "refused", "no_ffmpeg", "busy"]


class CameraFailed(Exception):
    """No picture; the message is for the operator.

    `off`: somebody has switched the camera, or the view of it, off. `unsupported`: there is none, or it speaks what the
    agent does not. `refused`: the access code or the certificate. `no_ffmpeg`: this machine cannot decode its video.
    `busy`: it has another viewer. `unreachable`: everything that passes by itself.
    """

    def __init__(self, code: CameraErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: CameraErrorCode = code


class Camera(Protocol):
    """A printer's camera. Any thread may ask for a picture, several at once."""

    def picture(self, check: Callable[[], None]) -> bytes:
        """One JPEG of now, of `PICTURE_BYTES` at most. Blocks for `Timing.picture` at most; `check` may raise.

        Raises CameraFailed.
        """


class Reachable(Protocol):
    """What can be done with a printer beside printing."""

    @property
    def storage(self) -> Storage:
        """Its files."""

    def test_connection(self, check: Callable[[], None]) -> PrinterInfo:
        """Contact the printer with the code that is configured, all its ways in; `check` may raise in between.

        Raises ConnectionFailed. Bounded; has no effect on the printer.
        """


@dataclass(frozen=True, slots=True)
class Stranger:
    """A printer that the configuration does not have, as the cloud knows it; what it does not know is empty."""

    serial: str
    address: str
    access_code: str = field(repr=False)
    brand: str = ""
    model: str = ""


Probe = Callable[[Stranger, Callable[[], None]], PrinterInfo]
"""`test_connection` of a printer that has no driver; a contact of its own that is over when it returns."""


class Driver(Reachable, Protocol):
    """One printer."""

    serial: str
    address: str

    @property
    def camera(self) -> Camera | None:
        """What takes pictures of its prints; None where it has nothing that the agent could ask."""

    @property
    def problem(self) -> str | None:
        """What stops this printer from working, for the operator; None where nothing is known to."""

    def start(self) -> None:
        """Begin to connect; returns at once."""

    def stop(self) -> None:
        """Begin to say goodbye to the printer; returns at once."""

    def join(self, seconds: float) -> None:
        """Wait until the goodbye has been said, at most so long."""

    def perform(self, run: Run) -> Outcome:
        """Carry out the run's command, however often it is called with it; see `execution.Run` for what to tell it.

        The commands of `edge_agent.storage` never come here. Raises Refused, Dropped and Halted as the run does.
        """

    def status(self) -> StatusReport | None:
        """What is known now; None while it is too early to say."""

    def tick(self) -> None:
        """Time has passed; called about twice a second."""
