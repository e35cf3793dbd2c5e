"""Counts the operations that Firestore bills, request by request. https://cloud.google.com/firestore/pricing"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from printpipe.domain.ports.documents import Delete, Document, Documents, Listener, Query, Version, Write

_COUNTED_PER_READ = 1000


@dataclass
class Bill:
    """What one request has cost so far, from all its threads; `counts` are the reads that counting took."""

    reads: int = 0
    writes: int = 0
    deletes: int = 0
    counts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, *, reads: int = 0, writes: int = 0, deletes: int = 0, counts: int = 0) -> None:
        """Adds operations."""
        with self._lock:
            self.reads += reads
            self.writes += writes
            self.deletes += deletes
            self.counts += counts

    def lines(self) -> dict[str, int]:
        """The operations by kind; nothing where there were none."""
        kinds = {"reads": self.reads, "writes": self.writes, "deletes": self.deletes, "counts": self.counts}
        return kinds if any(kinds.values()) else {}


_open: ContextVar[Bill | None] = ContextVar("bill", default=None)


@contextmanager
def billed() -> Iterator[Bill]:
    """Collects what is asked of the store inside, in this thread and by listeners that begin in it."""
    bill = Bill()
    token = _open.set(bill)
    try:
        yield bill
    finally:
        _open.reset(token)


class MeteredDocuments:
    """A store whose operations are put on the bill that is open. What a store refuses to write costs nothing here."""

    def __init__(self, store: Documents) -> None:
        self.store = store

    def get(self, path: str) -> Document | None:
        """The document, or None; one read in either case."""
        _charge(reads=1)
        return self.store.get(path)

    def get_many(self, paths: Iterable[str]) -> dict[str, Document]:
        """The documents that exist, by path; one read for each that is asked for."""
        asked = list(dict.fromkeys(paths))
        _charge(reads=len(asked))
        return self.store.get_many(asked)

    def commit(self, *writes: Write) -> list[Version]:
        """Writes all or nothing."""
        versions = self.store.commit(*writes)
        deletes = sum(isinstance(write, Delete) for write in writes)
        _charge(writes=len(writes) - deletes, deletes=deletes)
        return versions

    def query(self, query: Query) -> list[Document]:
        """The documents found; one read for each, or for having found none."""
        found = self.store.query(query)
        _charge(reads=max(1, len(found)))
        return found

    def count(self, query: Query) -> int:
        """How many documents match; one read for every thousand begun."""
        number = self.store.count(query)
        _charge(counts=max(1, math.ceil(number / _COUNTED_PER_READ)))
        return number

    def total(self, query: Query, field: str) -> int | float:
        """What a field's numbers come to; one read, though Firestore bills one for every thousand documents begun."""
        found = self.store.total(query, field)
        _charge(counts=1)
        return found

    def listen(self, query: Query, on_change: Callable[[list[Document]], None]) -> Listener:
        """Calls `on_change`; one read for each document that is new to it or has changed, or for none at first."""
        bill, known = _open.get(), set[tuple[str, Version]]()
        first = True

        def tell(documents: list[Document]) -> None:
            nonlocal first, known
            seen = {(document.path, document.version) for document in documents}
            if bill:
                bill.add(reads=max(int(first), len(seen - known)))
            first, known = False, seen
            on_change(documents)

        return self.store.listen(query, tell)


def _charge(*, reads: int = 0, writes: int = 0, deletes: int = 0, counts: int = 0) -> None:
    if bill := _open.get():
        bill.add(reads=reads, writes=writes, deletes=deletes, counts=counts)
