"""The agent's one SQLite file: journal, tracked jobs, HMS entries and outbox change together or not at all.

WAL with synchronous=FULL: a committed transaction survives SIGKILL and a power cut. The file is locked for as long as
it is open: two agents on one journal would both execute what is in it.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOCK_WAIT_SECONDS = 1.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commands (
  command_id TEXT PRIMARY KEY, body TEXT NOT NULL, stage TEXT NOT NULL, fence INTEGER,
  progress TEXT NOT NULL DEFAULT '{}', status TEXT, detail TEXT, updated_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS commands_stage ON commands (stage);
CREATE TABLE IF NOT EXISTS executed (
  printer TEXT NOT NULL, grp TEXT NOT NULL, sequence INTEGER NOT NULL, command_id TEXT NOT NULL,
  PRIMARY KEY (printer, grp));
CREATE TABLE IF NOT EXISTS jobs (
  marker TEXT PRIMARY KEY, printer TEXT NOT NULL, command_id TEXT NOT NULL, print_job_id TEXT,
  body TEXT NOT NULL, phase TEXT NOT NULL, updated_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_printer ON jobs (printer, updated_at);
CREATE TABLE IF NOT EXISTS hms (
  printer TEXT NOT NULL, attr INTEGER NOT NULL, code INTEGER NOT NULL, PRIMARY KEY (printer, attr, code));
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
  request_id TEXT NOT NULL, created_at REAL NOT NULL, UNIQUE (kind, name));
"""


class StoreInUse(Exception):
    """Another agent has the file open; the message is for the operator."""


class Store:
    """One connection behind one lock. Transactions nest: the outermost commits."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None, timeout=LOCK_WAIT_SECONDS
        )
        self._lock = threading.RLock()
        self._depth = 0
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise StoreInUse(f"{path} cannot be opened; is another agent running? ({error})") from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are committed together; an exception undoes them."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement durably; the number of rows it changed."""
        with self.transaction():
            return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """The rows that a query finds."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Row | None:
        """The first row that a query finds."""
        with self._lock:
            found: Any = self._connection.execute(sql, values).fetchone()
            return found if isinstance(found, sqlite3.Row) else None

    def close(self) -> None:
        """Close the file; later calls raise sqlite3.ProgrammingError."""
        with self._lock:
            self._connection.close()
