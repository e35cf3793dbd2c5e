"""The document store on SQLite, for one machine: many threads, several processes, one file."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from printpipe.adapters.document_queries import MISSING, field_of, select
from printpipe.adapters.document_rules import check_write, split_field, split_path
from printpipe.adapters.embedded.changes import Bell, Change, Follower
from printpipe.adapters.embedded.values import dump, load, time_text
from printpipe.adapters.index_rules import Indexes
from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.documents import (
    REMOVE,
    Create,
    Delete,
    Document,
    DocumentChanged,
    DocumentExists,
    DocumentMissing,
    Increment,
    Listener,
    Put,
    Query,
    Update,
    Version,
    Write,
)

MAX_DOCUMENT = 1 << 20
"""Bytes of a document's JSON, about Firestore's limit."""

_KEPT_CHANGES = 20_000
_COMPARED = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    collection TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    version INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, id TEXT NOT NULL,
    before_version INTEGER, before TEXT, after TEXT
);
"""


class EmbeddedDocuments:
    """The store in one SQLite file. A write that changes nothing keeps its document's version, as in Firestore."""

    def __init__(self, path: Path, *, patience: float = 5.0, indexes: Path | None = None) -> None:
        """`patience` is how many seconds a write waits for others to finish theirs.

        With `indexes`, a `firestore.indexes.json`, a query that Firestore would not answer from these is refused.
        """
        self._path = path
        self._indexes = Indexes.read(indexes) if indexes else None
        self._patience = patience
        self._bell = Bell()
        self._writing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._prepare()

    def get(self, path: str) -> Document | None:
        """The document, or None."""
        return self.get_many([path]).get(path)

    def get_many(self, paths: Iterable[str]) -> dict[str, Document]:
        """The documents that exist, by path, all of one moment."""
        with self._connection() as connection, _transaction(connection, "BEGIN"):
            found = {path: _read(connection, path) for path in paths}
        return {path: document for path, document in found.items() if document}

    def commit(self, *writes: Write) -> list[Version]:
        """Writes all or nothing, in the order given."""
        for write in writes:
            check_write(write)
        if not self._writing.acquire(timeout=self._patience):
            raise Unavailable("the document store is busy")
        try:
            with self._connection() as connection, _transaction(connection, "BEGIN IMMEDIATE"):
                versions = [_apply(connection, write) for write in writes]
        finally:
            self._writing.release()
        self._bell.ring()
        return versions

    def query(self, query: Query) -> list[Document]:
        """The documents found, in order."""
        self._check(query)
        with self._connection() as connection:
            return select(_candidates(connection, query), query)

    def count(self, query: Query) -> int:
        """How many documents match."""
        return len(self.query(query))

    def total(self, query: Query, field: str) -> int | float:
        """What a field's numbers come to in the documents that match."""
        values = [field_of(document.data, field) for document in self.query(query)]
        return sum(each for each in values if isinstance(each, int | float) and not isinstance(each, bool))

    def listen(self, query: Query, on_change: Callable[[list[Document]], None]) -> Listener:
        """Calls `on_change` with all that matches, at once and after every change of it, from another thread."""
        self._check(query)
        told: list[tuple[str, Version]] | None = None
        written = -1

        def look() -> None:
            nonlocal told, written
            latest = self._latest()
            if latest == written:
                return
            documents = self.query(query)
            written = latest
            seen = [(document.path, document.version) for document in documents]
            if seen != told:
                told = seen
                on_change(documents)

        return Follower(self._bell, look)

    def watch(self, callback: Callable[[Change], None]) -> Listener:
        """Calls `callback` with every change from now on, in order, whichever process made it, from another thread.

        A change is told once; one whose callback raises is not told again.
        """
        told = self._latest()

        def look() -> None:
            nonlocal told
            for version, change in self._changes_after(told):
                told = version
                callback(change)

        return Follower(self._bell, look)

    def close(self) -> None:
        """Closes the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _check(self, query: Query) -> None:
        if self._indexes:
            self._indexes.check(query)

    def _latest(self) -> int:
        with self._connection() as connection:
            (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM changes").fetchone()
        return int(version)

    def _changes_after(self, version: int) -> list[tuple[int, Change]]:
        with self._connection() as connection:
            rows = connection.execute("SELECT * FROM changes WHERE version > ? ORDER BY version", (version,)).fetchall()
        changes = []
        for number, collection, name, before_version, before_text, after_text in rows:
            path = f"{collection}/{name}"
            before = None if before_text is None else _document(path, before_text, before_version)
            after = None if after_text is None else _document(path, after_text, number)
            kind: Any = "created" if before is None else "deleted" if after is None else "updated"
            changes.append((number, Change(kind, path, before, after)))
        return changes

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            except sqlite3.Error:
                connection.close()
                raise
            except BaseException:
                self._idle.append(connection)
                raise
            self._idle.append(connection)
        except sqlite3.Error as error:
            raise Unavailable(f"the document store does not answer: {error}") from error

    def _prepare(self) -> None:
        """Makes the file a store; of several processes that do so at once, all but one must wait."""
        until = time.monotonic() + self._patience
        while True:
            try:
                with self._connection() as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(_SCHEMA)
                return
            except Unavailable:
                # Changing to WAL does not wait for a lock as everything else does.
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        return connection


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _document(path: str, text: str, version: int) -> Document:
    return Document(path, load(text), Version(str(version), version))


def _read(connection: sqlite3.Connection, path: str) -> Document | None:
    row = connection.execute(
        "SELECT data, version FROM documents WHERE collection = ? AND id = ?", split_path(path)
    ).fetchone()
    return _document(path, *row) if row else None


def _candidates(connection: sqlite3.Connection, query: Query) -> Iterable[Document]:
    """The collection's documents, less those that a text, a time or the cursor rules out; `select` decides."""
    sql, arguments = "SELECT id, data, version FROM documents WHERE collection = ?", [query.collection]
    for field, op, value, otherwise in _narrowing(query):
        if '"' not in field:
            inner, wanted = ('."$time"', time_text(value)) if isinstance(value, datetime) else ("", value)
            sql += f" AND (ifnull(json_extract(data, ?) {op} ?, {otherwise:d}) OR instr(data, '\"$map\"'))"
            arguments += ["$" + "".join(f'."{part}"' for part in split_field(field)) + inner, wanted]
    for name, text, version in connection.execute(sql, arguments):
        yield _document(f"{query.collection}/{name}", text, version)


def _narrowing(query: Query) -> Iterator[tuple[str, str, str | datetime, bool]]:
    """Conditions in SQLite's terms that all documents found must meet; the last says of fields without such a value.

    Texts and times compare as they are written. Behind a cursor there may be values of other types.
    """
    for where in query.where:
        if isinstance(where.value, datetime) and where.op in _COMPARED:
            yield where.field, _COMPARED[where.op], where.value, False
        elif isinstance(where.value, str) and where.op == "==":
            yield where.field, "=", where.value, False
    if query.after and query.order and isinstance(query.after[0], datetime):
        field, direction = query.order[0]
        yield field, ">=" if direction == "asc" else "<=", query.after[0], True


def _apply(connection: sqlite3.Connection, write: Write) -> Version:
    collection, name = split_path(write.path)
    stored = _read(connection, write.path)
    _check_condition(write, stored)
    after = _outcome(write, stored)
    if after is None and stored is None:
        return Version("deleted")
    before_text = None if stored is None else dump(stored.data)
    after_text = None if after is None else dump(after)
    if after_text is not None and len(after_text.encode()) > MAX_DOCUMENT:
        raise ValueError(f"a document of more than {MAX_DOCUMENT} bytes: {write.path}")
    if stored is not None and after_text == before_text:
        return stored.version
    cursor = connection.execute(
        "INSERT INTO changes (collection, id, before_version, before, after) VALUES (?, ?, ?, ?, ?)",
        (collection, name, stored and int(stored.version.token), before_text, after_text),
    )
    version = cursor.lastrowid or 0
    if version % 100 == 0:
        connection.execute("DELETE FROM changes WHERE version <= ?", (version - _KEPT_CHANGES,))
    if after_text is None:
        connection.execute("DELETE FROM documents WHERE collection = ? AND id = ?", (collection, name))
        return Version("deleted")
    connection.execute("REPLACE INTO documents VALUES (?, ?, ?, ?)", (collection, name, after_text, version))
    return Version(str(version), version)


def _check_condition(write: Write, stored: Document | None) -> None:
    match write:
        case Create() if stored is not None:
            raise DocumentExists(write.path)
        case Update(if_version=Version() as wanted) | Delete(if_version=Version() as wanted):
            if stored is None or stored.version != wanted:
                raise DocumentChanged(write.path)
        case Update() if stored is None:
            raise DocumentMissing(write.path)


def _outcome(write: Write, stored: Document | None) -> Mapping[str, Any] | None:
    match write:
        case Create(data=data) | Put(data=data):
            return data
        case Update(fields=fields):
            changed = dict(stored.data) if stored else {}
            for name, value in fields.items():
                _set(changed, name, value)
            return changed
        case Delete():
            return None


def _set(data: dict[str, Any], name: str, value: Any) -> None:
    """Sets one dotted field; a parent that is no map becomes one, except to remove from it."""
    before = field_of(data, name)
    if value is REMOVE and before is MISSING:
        return
    *parents, last = split_field(name)
    for part in parents:
        inner = data.get(part)
        data[part] = dict(inner) if isinstance(inner, Mapping) else {}
        data = data[part]
    match value:
        case _ if value is REMOVE:
            del data[last]
        case Increment(by=by):
            number = isinstance(before, int | float) and not isinstance(before, bool)
            data[last] = before + by if number else by
        case _:
            data[last] = value
