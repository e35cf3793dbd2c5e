"""The agent's one SQLite file: journal, tracked jobs, HMS entries and outbox change together or not at all.

WAL with synchronous=FULL: a committed transaction survives SIGKILL and a power cut. The file is locked for as long as
it is open: two agents on one journal would both execute what is in it.

A disk that takes no writes, full or read-only, makes every transaction raise, so that nothing happens that is not on
disk before. A stop cannot wait for that: where a loss can be borne, a copy in memory stands in for the file, until the
disk takes it back.
"""

import contextlib
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_agent.logs import log

LOCK_WAIT_SECONDS = 1.0
RETURN_SECONDS = 10.0
"""How often at most it is tried whether the disk takes writes again."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of this process's own is made in it)
DISK_ERRORS = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
)

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
  request_id TEXT NOT NULL, created_at REAL NOT NULL, lane TEXT NOT NULL DEFAULT '', rank INTEGER NOT NULL DEFAULT 0,
  size INTEGER NOT NULL DEFAULT 0, ran REAL NOT NULL DEFAULT 0, UNIQUE (kind, name));
CREATE TABLE IF NOT EXISTS outbox_totals (kind TEXT PRIMARY KEY, reports INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO outbox_totals VALUES ('result', 0, 0), ('event', 0, 0), ('status', 0, 0), ('picture', 0, 0);
"""
OUTBOX_COLUMNS = {
    "lane": "TEXT NOT NULL DEFAULT ''",
    "rank": "INTEGER NOT NULL DEFAULT 0",
    "size": "INTEGER NOT NULL DEFAULT 0",
    "ran": "REAL NOT NULL DEFAULT 0",
}
OUTBOX_BEFORE = """
UPDATE outbox SET size = length(body), lane = coalesce(json_extract(body, '$.printerSerial'), '');
UPDATE outbox_totals SET
  reports = (SELECT count(*) FROM outbox WHERE outbox.kind = outbox_totals.kind),
  bytes = (SELECT coalesce(sum(size), 0) FROM outbox WHERE outbox.kind = outbox_totals.kind);
"""
"""What was in the outbox before it had a limit of bytes."""
OUTBOX_BOOKS = """
CREATE INDEX IF NOT EXISTS outbox_order ON outbox (kind, id, lane);
CREATE INDEX IF NOT EXISTS outbox_spare ON outbox (rank, ran) WHERE rank > 0;
CREATE TRIGGER IF NOT EXISTS outbox_added AFTER INSERT ON outbox BEGIN
  UPDATE outbox_totals SET reports = reports + 1, bytes = bytes + new.size WHERE kind = new.kind;
END;
CREATE TRIGGER IF NOT EXISTS outbox_removed AFTER DELETE ON outbox BEGIN
  UPDATE outbox_totals SET reports = reports - 1, bytes = bytes - old.size WHERE kind = old.kind;
END;
"""


class StoreUnusable(Exception):
    """The file cannot be used; the message is for the operator."""


class StoreInUse(StoreUnusable):
    """Another agent has the file open."""


class StoreUnwritable(Exception):
    """The disk takes no writes now, and nothing of the transaction was done; the message is for the operator."""


class Store:
    """One connection behind one lock. Transactions nest: the outermost commits.

    Raises StoreUnusable when the file cannot be opened, or is damaged. A file that can be read but not written is
    opened all the same, for what can bear a loss.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.folder = path.parent
        self._path = path
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._depth = 0
        self._statements: list[tuple[str, Sequence[object]]] = []
        """Of the transaction under way."""
        self._loss = threading.local()
        self._losable = False
        """Whether the transaction under way is."""
        self._trouble: str | None = None
        """Why memory stands in for the file."""
        self._disk: sqlite3.Connection | None = None
        """The file's connection meanwhile, where there is one."""
        self._return_at = float("-inf")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                path.touch(mode=0o600)
        except OSError as error:
            raise StoreUnusable(f"{path} cannot be opened ({error})") from None
        try:
            self._connection = self._opened()
        except sqlite3.Error as error:
            if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreInUse(f"{path} is in use; is another agent running? ({error})") from None
            if _code(error) not in DISK_ERRORS or not self._read_only(error):
                raise StoreUnusable(
                    f"{path} cannot be used ({error}); if it is damaged, look at the printers and then move it away:"
                    " without it the agent does not know what it has done before"
                ) from None

    @property
    def trouble(self) -> str | None:
        """Why the disk takes no writes, as far as that is known: then only a stop is carried out."""
        return self._trouble

    @contextmanager
    def bearing_loss(self, really: bool = True) -> Iterator[None]:
        """In this thread, transactions that begin within are kept in memory where the disk does not take them."""
        before = getattr(self._loss, "borne", False)
        self._loss.borne = before or really
        try:
            yield
        finally:
            self._loss.borne = before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are committed together; an exception undoes them. Raises StoreUnwritable."""
        with self._lock:
            if self._depth == 0:
                self._begin()
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._run("COMMIT")
            except BaseException:
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement durably; the number of rows it changed. Raises StoreUnwritable."""
        with self.transaction():
            return self._run(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """The rows that a query finds."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Row | None:
        """The first row that a query finds."""
        with self._lock:
            found: Any = self._connection.execute(sql, values).fetchone()
            return found if isinstance(found, sqlite3.Row) else None

    def settle(self) -> None:
        """Take the file up again, where memory stands in for it and the disk takes writes."""
        with self._lock, contextlib.suppress(StoreUnwritable):
            if self._trouble is not None and self._depth == 0:
                self._return()

    def close(self) -> None:
        """Close the file; later calls raise sqlite3.ProgrammingError."""
        with self._lock:
            self._return_at = float("-inf")
            self.settle()
            self._connection.close()
            if self._disk is not None:
                self._disk.close()

    def _begin(self) -> None:
        self._statements.clear()
        self._losable = getattr(self._loss, "borne", False)
        if self._trouble is not None and not self._losable:
            self._return()
        self._run("BEGIN IMMEDIATE")

    def _run(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            cursor = self._connection.execute(sql, values)
        except sqlite3.Error as error:
            if _code(error) not in DISK_ERRORS:
                raise
            if not self._losable or self._trouble is not None:
                raise StoreUnwritable(_complaint(error)) from None
            self._stand_in(error)
            for each in self._statements:
                self._connection.execute(*each)
            cursor = self._connection.execute(sql, values)
        self._statements.append((sql, values))
        return cursor

    def _stand_in(self, error: sqlite3.Error) -> None:
        """Go on in memory, with all that the file has."""
        disk = self._connection
        if disk.in_transaction:
            disk.execute("ROLLBACK")
        self._connection = _in_memory(disk)
        self._disk = disk
        self._in_trouble(error)

    def _in_trouble(self, error: sqlite3.Error) -> None:
        self._trouble = _complaint(error)
        self._return_at = self._monotonic() + RETURN_SECONDS
        log("disk_unwritable", "ERROR", reason=self._trouble, advice="only stops are carried out until it is mended")

    def _return(self) -> None:
        """Write all back to the file. Raises StoreUnwritable, at once where that was tried a moment ago."""
        now = self._monotonic()
        if now < self._return_at:
            raise StoreUnwritable(self._trouble)
        self._return_at = now + RETURN_SECONDS
        try:
            disk = self._disk = self._disk or self._opened()
            self._connection.backup(disk)
        except sqlite3.Error as error:
            raise StoreUnwritable(_complaint(error)) from None
        self._connection.close()
        self._connection, self._disk, self._trouble = disk, None, None
        log("disk_writable")

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, check_same_thread=False, isolation_level=None, timeout=LOCK_WAIT_SECONDS
        )
        try:
            connection.row_factory = sqlite3.Row
            for setting in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
                connection.execute(f"PRAGMA {setting}")
            _prepare(connection)
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found is None or found[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _read_only(self, error: sqlite3.Error) -> bool:
        """Whether what the file has could be taken into memory, to begin with that.

        SQLite reads no write-ahead log where it may write nothing at all: it is given a copy.
        """
        try:
            with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
                for source in (self._path, self._path.with_name(f"{self._path.name}-wal")):
                    if source.exists():
                        shutil.copyfile(source, Path(folder) / source.name)
                with contextlib.closing(sqlite3.connect(Path(folder) / self._path.name)) as disk:
                    self._connection = _in_memory(disk)
            _prepare(self._connection)
        except (sqlite3.Error, OSError, StoreUnwritable):
            return False
        self._in_trouble(error)
        return True


def _in_memory(disk: sqlite3.Connection) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    memory.row_factory = sqlite3.Row
    try:
        disk.backup(memory)
    except sqlite3.Error as error:
        memory.close()
        raise StoreUnwritable(_complaint(error)) from None
    return memory


def _prepare(connection: sqlite3.Connection) -> None:
    """The tables, also where an older agent made them."""
    connection.executescript(SCHEMA)
    if "result" not in _columns(connection, "commands"):
        connection.execute("ALTER TABLE commands ADD COLUMN result TEXT")
    missing = OUTBOX_COLUMNS.keys() - _columns(connection, "outbox")
    for name in sorted(missing):
        connection.execute(f"ALTER TABLE outbox ADD COLUMN {name} {OUTBOX_COLUMNS[name]}")
    connection.executescript((OUTBOX_BEFORE if missing else "") + OUTBOX_BOOKS)


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {column[1] for column in connection.execute(f"PRAGMA table_info({table})")}


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _complaint(error: sqlite3.Error) -> str:
    return f"this machine's disk cannot be written: {error}"
