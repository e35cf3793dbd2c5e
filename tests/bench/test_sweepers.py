"""Scheduled work over many documents: as long and as large as a run may be, and no effect when it is done twice.

What it takes is compared with what a fifth of the documents takes, in the same process: what grows with the store
shows. Time is the processor's, which others on the machine do not lengthen. `SOAK=1` is for 20,000 documents; `pytest
-s` shows the numbers.
"""

import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.metered import MeteredDocuments, billed
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.ports.documents import Create, Query, Write
from printpipe.domain.printer_records import Presence, Printer, PrinterState
from printpipe.domain.records import Command, Lease
from printpipe.domain.tenant_records import Organization, Site
from printpipe.services.commands import sweeping
from printpipe.services.context import Context
from printpipe.services.printers import presence
from printpipe.services.statistics import reconciling
from tests.counted_jobs import Post, context_of, ended_job
from tests.counts import count

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
DOCUMENTS = count(20_000, quick=150)
PART = 5
MEMORY = Path("/dev/shm")
MOST_BYTES = 64 * 1024 * 1024
SLOWER = 5.0
"""How much more work a document may be in a store that is `PART` times as large: the embedded one looks through all."""

MORE_OPERATIONS = 1.2
"""How many more reads and writes a document may be, as Firestore bills them: hardly any."""

SITE = Site(
    recipient_id="site",
    organization_id="org",
    name="hall",
    client="agent",
    last_seen_at=NOW,
    presence=Presence(status="online", since=NOW),
    created_at=NOW,
)
ORGANIZATION = Organization(organization_id="org", name="org", created_at=NOW - timedelta(days=30))


@dataclass(frozen=True)
class Sweeper:
    """A scheduled function: the documents that it goes over, half of which are due, and what it does in one run.

    `runs` is how many runs it may take for `DOCUMENTS`; `idle_reads` what a run may read where nothing is due.
    """

    name: str
    documents: Callable[[int], Iterable[Write]]
    run: Callable[[Context], object]
    runs: int
    idle_reads: int


def commands(number: int) -> Iterator[Write]:
    """A quarter waits in vain, a quarter was forsaken by its agent, half is under way."""
    for each in range(number):
        due, taken = each % 2 == 0, each % 4 < 2
        until = NOW + timedelta(hours=-1 if due else 1)
        record = Command(
            command_id=f"command-{each:06}",
            organization_id="org",
            recipient_id="site",
            printer_serial=f"S{each % 100}",
            command_type="pause",
            type="pause",
            lane="priority",
            sequence=each,
            metadata={},
            status=CommandStatus.PROCESSING if taken else CommandStatus.PENDING,
            via_bus=True,
            lease=Lease(holder="agent", until=until, fence=1) if taken else None,
            created_at=NOW - timedelta(hours=2),
            expires_at=until,
            request_id="request",
        )
        yield Create(f"printer_commands/{record.command_id}", record.data())


def printers(number: int) -> Iterator[Write]:
    """Half of them fell silent."""
    yield Create("recipients/site", SITE.data())
    for each in range(number):
        heard = NOW - timedelta(minutes=30 if each % 2 == 0 else 3)
        state = PrinterState(
            version=1, reported_at=heard, received_at=heard, shown_at=heard, sampled_at=heard, status={"state": "idle"}
        )
        record = Printer(
            printer_id=f"printer-{each:06}",
            organization_id="org",
            recipient_id="site",
            active=True,
            state=state,
            presence=Presence(status="online", since=heard),
            created_at=NOW,
        )
        yield Create(f"printers/{record.printer_id}", record.data())


def jobs(number: int) -> Iterator[Write]:
    """Half of them ended yesterday, none of which was counted; the others today."""
    yield Create("organizations/org", ORGANIZATION.data())
    for each in range(number):
        ended = NOW - timedelta(hours=13 if each % 2 == 0 else 1, milliseconds=each)
        job = ended_job("org", ended, printer=f"printer-{each % 7}", job_id=f"job-{each:06}")
        yield Create(f"print_jobs/{job.job_id}", job.data())


SWEEPERS = [
    Sweeper("command-sweep", commands, sweeping.sweep, runs=6, idle_reads=9),
    Sweeper("presence-sweep", printers, presence.sweep, runs=6, idle_reads=4),
    Sweeper("statistics-reconcile", jobs, reconciling.reconcile, runs=3, idle_reads=3),
]


@dataclass(frozen=True)
class Taken:
    """What it took to do all that was due: seconds of work in the longest run and in all, bytes, operations, runs."""

    longest: float
    seconds: float
    bytes: int
    operations: int
    runs: int


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(count(5400, quick=60))
@pytest.mark.parametrize("sweeper", SWEEPERS, ids=[each.name for each in SWEEPERS])
def test_a_sweeper_is_bounded_and_has_no_effect_twice(sweeper: Sweeper, folder: Path) -> None:
    small = swept(sweeper, folder / "small.db", DOCUMENTS // PART)
    large = swept(sweeper, folder / "large.db", DOCUMENTS)
    print(f"\n{sweeper.name}: {DOCUMENTS} documents: {large}; {DOCUMENTS // PART}: {small}")
    assert large.operations / PART <= MORE_OPERATIONS * small.operations
    assert large.seconds / PART <= SLOWER * small.seconds
    assert large.bytes <= min(MOST_BYTES, PART * small.bytes)
    assert large.runs <= sweeper.runs


def swept(sweeper: Sweeper, path: Path, number: int) -> Taken:
    """Does all that is due over so many documents; then again, which must change nothing."""
    documents = EmbeddedDocuments(path)
    writes = iter(sweeper.documents(number))
    while batch := list(islice(writes, 500)):
        documents.commit(*batch)
    context = context_of(MeteredDocuments(documents), lambda: NOW, bus=Post())
    seconds, peaks, operations = list[float](), list[int](), 0
    tracemalloc.start()
    while len(seconds) <= sweeper.runs:
        tracemalloc.reset_peak()
        before, began = tracemalloc.get_traced_memory()[0], time.process_time()
        with billed() as bill:
            sweeper.run(context)
        if not bill.writes:
            break
        seconds.append(time.process_time() - began)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        operations += bill.reads + bill.writes
    tracemalloc.stop()
    stands = versions(documents)
    with billed() as bill:
        sweeper.run(context)
    assert (bill.writes, bill.reads <= sweeper.idle_reads) == (0, True), bill.lines()
    assert versions(documents) == stands
    documents.close()
    return Taken(max(seconds), sum(seconds), max(peaks), operations, len(seconds))


def versions(documents: EmbeddedDocuments) -> dict[str, Any]:
    """The version of every document that a sweeper may have touched."""
    collections = ("printer_commands", "printers", "recipients", "print_jobs", "statistics", "statistics_entries")
    return {found.path: found.version for name in collections for found in documents.query(Query(name))}
