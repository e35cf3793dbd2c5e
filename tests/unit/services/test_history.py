"""A pruning that ends before its end goes on where it stopped."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Put, Query, Where
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import SYSTEM
from printpipe.services.access.directory import Directory
from printpipe.services.context import Context
from printpipe.services.printers.history import KEEP, LONGEST, Pruned, prune

START = datetime(2025, 10, 31, 10, tzinfo=UTC)
PRINTERS = ("a", "b", "c")


class Ports(Platform):
    """The embedded document store alone."""

    def __init__(self, documents: EmbeddedDocuments) -> None:
        self._documents = documents

    @property
    def documents(self) -> EmbeddedDocuments:
        return self._documents


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    """The store, with a few samples too many of each printer."""
    store = EmbeddedDocuments(tmp_path / "documents.db")
    store.commit(*(Put(f"printers/{name}", {"printerId": name}) for name in PRINTERS))
    for name in PRINTERS:
        writes = [
            Put(
                f"printer_status_updates/{name}{number:04}",
                {"printerId": name, "createdAt": START + timedelta(seconds=number)},
            )
            for number in range(KEEP + 5)
        ]
        store.commit(*writes)
    yield store
    store.close()


def run(documents: EmbeddedDocuments, clock: Callable[[], datetime]) -> Pruned:
    policy, ports = Policy(()), Ports(documents)  # type: ignore[abstract]
    return prune(Context(SYSTEM, "request-1", None, clock, ports, policy, Directory(ports, policy, lambda: 0.0)))


def kept(documents: EmbeddedDocuments) -> dict[str, int]:
    queries = {name: Query("printer_status_updates", [Where("printerId", "==", name)]) for name in PRINTERS}
    return {name: documents.count(query) for name, query in queries.items()}


def test_a_run_without_haste_does_all(documents: EmbeddedDocuments) -> None:
    assert run(documents, lambda: START) == Pruned(printers=3, deleted=15, complete=True)
    assert kept(documents) == dict.fromkeys(PRINTERS, KEEP)
    assert run(documents, lambda: START) == Pruned(printers=3, deleted=0, complete=True)
    assert documents.get("bookmarks/history-prune") is None


def test_a_run_that_takes_too_long_leaves_the_rest_to_the_next(documents: EmbeddedDocuments) -> None:
    class Clock:
        """Each look at it takes long."""

        now = START

        def __call__(self) -> datetime:
            self.now += LONGEST * 0.4
            return self.now

    assert run(documents, Clock()) == Pruned(printers=1, deleted=5, complete=False)
    assert kept(documents) == {"a": KEEP, "b": KEEP + 5, "c": KEEP + 5}
    assert run(documents, Clock()) == Pruned(printers=1, deleted=5, complete=False)
    assert run(documents, Clock()) == Pruned(printers=1, deleted=5, complete=True)
    assert kept(documents) == dict.fromkeys(PRINTERS, KEEP)
    assert run(documents, lambda: START) == Pruned(printers=3, deleted=0, complete=True)
