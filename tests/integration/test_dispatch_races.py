"""Many dispatchers at once over one farm: every run goes to one printer, and every printer has one job at a time."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from printpipe.domain.errors import Unavailable
from printpipe.domain.lifecycles import CommandStatus, JobStatus, Priority
from printpipe.domain.ports.documents import Query, Where
from tests.backends import embedded, google
from tests.counts import count
from tests.farm import Farm

DISPATCHERS = 8
PRINTERS = count(50, quick=4)
JOBS = count(500, quick=9)
SECONDS = count(900, quick=90)


@pytest.fixture(params=["embedded", pytest.param("google", marks=pytest.mark.emulators)])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Farm]:
    """A farm on a backend of its own."""
    made: Any = embedded(tmp_path) if request.param == "embedded" else google(request.getfixturevalue("emulators"))
    with made as backend:
        yield Farm(backend.documents, backend.files)


@pytest.mark.timeout(SECONDS + 60)
def test_racing_dispatchers_give_each_run_away_once(farm: Farm) -> None:
    printers = [farm.printer() for _ in range(PRINTERS)]
    jobs = farm.orders(farm.file(("PLA", "#FFFFFF")), JOBS, list(Priority), users=5)
    farm.enqueue(jobs)
    over, failures = threading.Event(), list[BaseException]()

    def serve() -> int:
        try:
            return farm.serve()
        except Unavailable:  # the store is overrun: a trigger's event would be delivered again
            return 0

    def dispatch() -> None:
        try:
            while not over.is_set():
                if serve() == 0:
                    over.wait(0.2)  # else nobody but the dispatchers had anything of the processor
        except BaseException as failure:
            failures.append(failure)

    dispatchers = [threading.Thread(target=dispatch) for _ in range(DISPATCHERS)]
    for each in dispatchers:
        each.start()
    try:
        _print_everything(farm, printers)
    finally:
        over.set()
        for each in dispatchers:
            each.join(60)
    assert failures == []
    starts = Counter(each.job_id for each in farm.starts())
    assert starts == dict.fromkeys(jobs, 1)
    assert {farm.job(job).status for job in jobs} == {JobStatus.COMPLETED}


def _print_everything(farm: Farm, printers: list[str]) -> None:
    """What the printers do until nothing is left: they take what they are given, print it and are cleared."""
    deadline, done = time.monotonic() + SECONDS, 0
    while done < JOBS:
        assert time.monotonic() < deadline, f"{done} of {JOBS} done"
        pending = farm.documents.query(
            Query(
                "printer_commands",
                [Where("recipientId", "==", farm.site), Where("status", "==", CommandStatus.PENDING.value)],
            )
        )
        at_one = Counter(each.data["printerId"] for each in pending)
        assert set(at_one.values()) <= {1}
        for printer in at_one:
            assert len(farm.at(printer).occupants) == 1
        for start in pending:
            farm.take(start.id)
            job = str(start.data["jobId"])
            farm.happens(job, "job_started")
            farm.happens(job, "job_completed")
            farm.clear_plate(str(start.data["printerId"]))
            done += 1
