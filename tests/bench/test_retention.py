"""Retention and erasure over many documents: bounded time and memory a run, and nothing left to do for a second one."""

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.ports.documents import Put, Query, Where
from printpipe.domain.tenancy import SYSTEM
from printpipe.services.access.directory import Directory
from printpipe.services.context import Context
from printpipe.services.retention import erasure, leaving
from printpipe.services.retention.sweep import MOST_EACH, Swept, sweep
from tests import tenants
from tests.counts import SOAK, count
from tests.farm import Farm, embedded_farm

DOCUMENTS = count(20_000, quick=400)
MOST_MEMORY = 64 * 2**20
"""Bytes of Python's own that a run may take at its most."""

MOST_SECONDS = 240 if SOAK else 20


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    made = embedded_farm(tmp_path)
    yield made
    cast(EmbeddedDocuments, made.documents).close()


def system(farm: Farm) -> Context:
    context = replace(farm.context(), caller=SYSTEM)
    return replace(context, directory=Directory(context.platform, context.policy, lambda: 0.0))


def history(farm: Farm, age: timedelta) -> None:
    """Half of them samples of printers, half of them events, each of that age."""
    own = {"organizationId": "acme", "createdAt": farm.now - age, "status": {"state": "printing"}}
    for begin in range(0, DOCUMENTS, 400):
        numbers = range(begin, min(begin + 400, DOCUMENTS))
        kinds = ("printer_status_updates", "printer_events")
        farm.documents.commit(*(Put(f"{kinds[number % 2]}/{number:06}", own) for number in numbers))


def measured(work: str, run: object) -> None:
    """Runs it; its time and its peak of memory are printed (`pytest -s`), and bounded."""
    assert callable(run)
    tracemalloc.start()
    began = time.perf_counter()
    run()
    seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{work}: {DOCUMENTS} documents, {seconds:.1f} s, {peak / 2**20:.1f} MiB")
    assert peak < MOST_MEMORY
    assert seconds < MOST_SECONDS


def test_the_sweep_removes_what_is_old_and_then_nothing(farm: Farm) -> None:
    history(farm, timedelta(days=91))
    runs: list[Swept] = []
    measured("retention", lambda: runs.append(sweep(system(farm))))
    assert sum(runs[0].gone.values()) == min(DOCUMENTS, 2 * MOST_EACH)
    assert all(most <= MOST_EACH for most in runs[0].gone.values())
    before = tenants.everything(farm.documents)
    sweep(system(farm))
    assert sweep(system(farm)) == Swept({}, complete=True)
    assert tenants.everything(farm.documents) == before or not runs[0].complete


def test_what_is_young_stays(farm: Farm) -> None:
    history(farm, timedelta(days=1))
    measured("retention of nothing", lambda: sweep(system(farm)))
    assert farm.documents.count(Query("printer_events")) == DOCUMENTS // 2


def test_an_erasure_takes_a_few_bounded_runs(farm: Farm) -> None:
    tenants.furnish(farm.documents, farm.context().platform.files, "acme", farm.now)
    history(farm, timedelta(days=1))
    leaving.order(system(farm), "acme", "acme")
    for _ in range(2):
        farm.later(minutes=5)
        measured("erasure", lambda: erasure.sweep(system(farm)))
    mine = [Where("organizationId", "==", "acme")]
    assert farm.documents.count(Query("printer_events", mine)) == 0
    assert farm.documents.get("organizations/acme") is None
