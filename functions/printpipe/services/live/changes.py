"""What is told to those who look on, and up to where they have been told."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from printpipe.domain.job_records import Job
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Event
from printpipe.domain.transfers import Transfer

Source = Literal["printers", "jobs", "transfers", "events"]
SOURCES: tuple[Source, ...] = ("printers", "jobs", "transfers", "events")

_MARKS = re.compile(r"(\d{1,20})\.(\d{1,20})\.(\d{1,20})\.(\d{1,20})", re.ASCII)


class Marks(NamedTuple):
    """By source, the place in the order of the store's writes up to which everything has been told.

    They mean the same to every instance: whoever names them to another one misses nothing and is told nothing twice.
    """

    printers: int = 0
    jobs: int = 0
    transfers: int = 0
    events: int = 0

    @classmethod
    def parse(cls, text: str) -> "Marks | None":
        """What `str` of them gave; None for anything else."""
        found = _MARKS.fullmatch(text)
        return cls(*map(int, found.groups())) if found else None

    def of(self, source: Source) -> int:
        """That of one source."""
        return int(getattr(self, source))

    def raised(self, source: Source, place: int) -> "Marks":
        """With one source's at that place, unless it is there already."""
        return self._replace(**{source: max(self.of(source), place)})

    def __str__(self) -> str:
        return ".".join(map(str, self))


@dataclass(frozen=True)
class Change:
    """A record as it is now: what it was before is not told.

    `place` is that of the write; `mark` is up to where its source is told with it, None where nothing was written to
    the record itself. `printer` and `job` are those that the record is about, as far as they are known.
    """

    source: Source
    record: Printer | Job | Transfer | Event
    at: datetime
    place: int
    mark: int | None
    printer: Printer | None = None
    job: Job | None = None


@dataclass(frozen=True)
class Told:
    """A change, and up to where its reader has been told once it has it."""

    change: Change
    marks: Marks
