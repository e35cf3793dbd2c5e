"""What Firestore would bill, counted around a store."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.metered import MeteredDocuments, billed
from printpipe.domain.ports.documents import Create, Delete, Document, DocumentExists, Put, Query, Update, Where

SECONDS = 5.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MeteredDocuments]:
    made = EmbeddedDocuments(tmp_path / "documents.db")
    yield MeteredDocuments(made)
    made.close()


def lines(**operations: int) -> dict[str, int]:
    return {"reads": 0, "writes": 0, "deletes": 0, "counts": 0, **operations}


def test_each_operation_costs_what_firestore_bills(store: MeteredDocuments) -> None:
    with billed() as bill:
        store.commit(Create("jobs/1", {"n": 1}), Put("jobs/2", {"n": 2}), Update("jobs/1", {"n": 3}))
    assert bill.lines() == lines(writes=3)
    with billed() as bill:
        store.get("jobs/1")
        store.get("jobs/none")
        store.get_many(["jobs/1", "jobs/2", "jobs/1", "jobs/none"])
    assert bill.lines() == lines(reads=5)
    with billed() as bill:
        assert len(store.query(Query("jobs"))) == 2
        assert store.query(Query("jobs", [Where("n", "==", 9)])) == []
    assert bill.lines() == lines(reads=3)
    with billed() as bill:
        assert store.count(Query("jobs")) == 2
        assert store.count(Query("jobs", [Where("n", "==", 9)])) == 0
    assert bill.lines() == lines(counts=2)
    with billed() as bill:
        assert store.total(Query("jobs"), "n") == 5
    assert bill.lines() == lines(counts=1)
    with billed() as bill:
        store.commit(Delete("jobs/1"), Create("jobs/3", {}))
    assert bill.lines() == lines(writes=1, deletes=1)


def test_a_thousand_are_counted_for_one_read(store: MeteredDocuments) -> None:
    store.commit(*(Create(f"jobs/{number}", {}) for number in range(1001)))
    with billed() as bill:
        store.count(Query("jobs", limit=1000))
    assert bill.lines() == lines(counts=1)
    with billed() as bill:
        store.count(Query("jobs"))
    assert bill.lines() == lines(counts=2)


def test_what_was_refused_was_not_written(store: MeteredDocuments) -> None:
    store.commit(Create("jobs/1", {}))
    with billed() as bill, suppress(DocumentExists):
        store.commit(Create("jobs/1", {}))
    assert bill.lines() == {}


def test_nothing_is_counted_outside_a_request(store: MeteredDocuments) -> None:
    with billed() as bill:
        pass
    store.get("jobs/1")
    assert bill.lines() == {}


def test_requests_at_the_same_time_have_a_bill_each(store: MeteredDocuments) -> None:
    gate = threading.Barrier(8)
    bills = {}

    def request(number: int) -> None:
        with billed() as bill:
            gate.wait(SECONDS)
            for _ in range(number):
                store.get("jobs/1")
            bills[number] = bill.reads

    threads = [threading.Thread(target=request, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert bills == {number: number for number in range(1, 9)}


def test_a_listener_pays_for_what_is_new_to_it(store: MeteredDocuments) -> None:
    store.commit(Create("jobs/1", {}), Create("jobs/2", {}))
    told = threading.Semaphore(0)
    heard: list[list[Document]] = []

    def hear(documents: list[Document]) -> None:
        heard.append(documents)
        told.release()

    with billed() as bill, store.listen(Query("jobs"), hear):
        assert told.acquire(timeout=SECONDS)
        assert bill.lines() == lines(reads=2)
        store.store.commit(Update("jobs/1", {"n": 1}))
        assert told.acquire(timeout=SECONDS)
    assert [len(documents) for documents in heard] == [2, 2]
    assert bill.lines() == lines(reads=3)


def test_a_listener_that_finds_nothing_pays_for_having_looked(store: MeteredDocuments) -> None:
    told = threading.Event()
    with billed() as bill, store.listen(Query("jobs"), lambda _: told.set()):
        assert told.wait(SECONDS)
    assert bill.lines() == lines(reads=1)
