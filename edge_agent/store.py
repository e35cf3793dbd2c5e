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
  progress TEXT NOT NULL DEFAULT '{}', status TEXT, detail TEXT, result TEXT, updated_at REAL NOT NULL);
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


class StoreUnusable(Exception):
    """The file cannot be used; the message is for the operator."""


class StoreInUse(StoreUnusable):
    """Another agent has the file open."""


class Store:
    """One connection behind one lock. Transactions nest: the outermost commits.

    Raises StoreUnusable when the file cannot be opened, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=LOCK_WAIT_SECONDS
            )
        except (OSError, sqlite3.Error) as error:
            raise StoreUnusable(f"{path} cannot be opened ({error})") from None
        try:
            self._open()
        except sqlite3.Error as error:
            self._connection.close()
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreInUse(f"{path} is in use; is another agent running? ({error})") from None
            raise StoreUnusable(
                f"{path} cannot be used ({error}); if it is damaged, look at the printers and then move it away:"
                " without it the agent does not know what it has done before"
            ) from None

    def _open(self) -> None:
        self._connection.row_factory = sqlite3.Row
        for setting in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.executescript(SCHEMA)
        if not any(column["name"] == "result" for column in self._connection.execute("PRAGMA table_info(commands)")):
            self._connection.execute("ALTER TABLE commands ADD COLUMN result TEXT")
        found = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found is None or found[0] != "ok":
            raise sqlite3.DatabaseError("damaged")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are committed together; an exception undoes them."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

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
