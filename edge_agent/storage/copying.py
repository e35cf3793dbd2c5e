"""A file from a printer's storage onto this machine, over lines that break.

A broken copy goes on at the byte where it broke only where the printer shows the same size and time as before;
otherwise the next attempt begins at the first byte. A copy is whole when the printer, asked again behind its last
byte, still shows what it showed before the first one.
"""

import errno
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge_agent.drivers.base import LineBroken, Reading, Storage, StoredFile
from edge_agent.execution import Run
from edge_agent.logs import log
from edge_agent.storage.failures import FailureCode, TransferFailed
from edge_agent.storage.progress import Progress

LARGEST = 500_000_000
"""Bytes of a file: as many as the cloud takes."""
RESERVE = 256 * 1024**2
"""Bytes of the disk that a copy leaves free."""
ATTEMPTS = 5
"""How often a copy may begin at its first byte, and how often in a row a line may break without bringing much."""
WORTH_WHILE = 1024**2
"""A line that brought so many bytes before it broke was no failure."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A whole copy; the digests are lower-case hex."""

    size: int
    sha256: str
    md5: str


def copied(run: Run, storage: Storage, path: str, target: Path, progress: Progress) -> Copied:
    """Copy the file at `path` to `target`. Raises TransferFailed, StorageFailed, Cancelled, and what ends the run."""
    try:
        with target.open("wb") as file:
            return _Copy(run, storage, path, file, progress).make()
    except OSError as error:
        code: FailureCode = "no_space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "interrupted"
        raise TransferFailed(code, f"the copy cannot be kept on the agent's machine: {error.strerror}") from None


class _Copy:
    """One copy: the first `_held` bytes of `_of` are in `_file`."""

    def __init__(self, run: Run, storage: Storage, path: str, file: BinaryIO, progress: Progress) -> None:
        self._run = run
        self._storage = storage
        self._path = path
        self._file = file
        self._progress = progress
        self._of: StoredFile | None = None
        self._held = 0
        self._begun = 0
        self._brought = 0
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def make(self) -> Copied:
        failures = 0
        while True:
            self._run.authorise()
            self._brought = 0
            try:
                if self._is_whole():
                    self._file.flush()
                    return Copied(self._held, self._sha256.hexdigest(), self._md5.hexdigest())
            except LineBroken as error:
                failures = 1 if self._brought >= WORTH_WHILE else failures + 1
                if failures >= ATTEMPTS:
                    raise
                log("copy_interrupted", "WARNING", commandId=self._run.command.command_id, reason=str(error))
                self._run.pause(failures)

    def _is_whole(self) -> bool:
        """Whether the printer shows exactly what is here; otherwise take what is missing."""
        found = self._storage.find(self._path)
        self._admit(found)
        if self._of is None:
            self._begin(found)
        elif found != self._of:
            self._begin(found, "changed")
        elif self._held == found.size:
            return True
        elif self._held and found.modified_at is None:
            self._begin(found)
        with self._storage.read(self._path, self._held) as reading:
            self._take(reading, found)
        return False

    def _admit(self, found: StoredFile) -> None:
        if found.size > LARGEST:
            raise TransferFailed("too_large", f"the file has {found.size} bytes; at most {LARGEST} are copied")
        if not found.size:
            raise TransferFailed("refused", "the file is empty")
        if shutil.disk_usage(self._file.name).free < found.size - self._held + RESERVE:
            raise TransferFailed("no_space", "the agent's machine has too little space for the copy")

    def _begin(self, found: StoredFile, because: FailureCode = "interrupted") -> None:
        """Begin at the first byte, as the next attempt."""
        if self._begun == ATTEMPTS:
            why = "the file changes on the printer" if because == "changed" else "the line to the printer breaks"
            raise TransferFailed(because, f"{why} again and again")
        self._begun += 1
        self._of, self._held = found, 0
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._file.seek(0)
        self._file.truncate()
        self._progress.begin(found.size)

    def _take(self, reading: Reading, found: StoredFile) -> None:
        """Write what comes, up to the file's size."""
        if reading.offset != self._held:
            self._begin(found)
        for block in reading.blocks:
            self._run.authorise()
            part = block[: found.size - self._held]
            self._file.write(part)
            self._sha256.update(part)
            self._md5.update(part)
            self._held += len(part)
            self._brought += len(part)
            self._progress.moved(self._held)
            if self._held == found.size:
                return
        raise LineBroken("interrupted", f"the printer sent {self._held} of {found.size} bytes")
