"""A Bambu printer's files over FTPS: the list of its print files, one of them from any byte on, and one more."""

import ftplib
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from edge_agent.drivers.bambu.ftps import BLOCK, DATA_SECONDS, NO_SUCH_FILE, ImplicitFtps, login, passing, upload
from edge_agent.drivers.bambu.ftps import size_of as size_on
from edge_agent.drivers.bambu.identity import Target
from edge_agent.drivers.bambu.listing import Item, fact_item, list_item, moment
from edge_agent.drivers.base import LineBroken, Listing, Reading, StorageFailed, StoredFile, is_print_file
from edge_agent.timestamps import Clock

PASSED_BY = frozenset({"timelapse", "logs", "log", "ipcam", "image", "corelogger", "recorder", "verify_job"})
"""Folders in which printers keep what is not to be printed."""
DEEPEST = 4
MOST_FOLDERS = 500
MOST_FILES = 20_000
LIST_BYTES = 4 * 1024**2
"""How much of one folder's list is read."""
TURN_SECONDS = 0.2
UNKNOWN_COMMAND = ("500", "502", "504")


class BambuStorage:
    """One printer's storage; `in_print` says whether a file of this name is being printed.

    It is sent one file at a time: what a start brings goes before any copy.
    """

    def __init__(self, printer: Target, clock: Clock, reply_seconds: float, in_print: Callable[[str], bool]) -> None:
        self._printer = printer
        self._clock = clock
        self._reply = reply_seconds
        self._in_print = in_print
        self._sending = threading.Lock()
        self._awaited = threading.Event()

    def files(self, limit: int, check: Callable[[], None]) -> Listing:
        """The print files in the root and the folders below it."""
        found: list[StoredFile] = []
        with self._connected() as ftp:
            lists = _Lists(ftp, self._clock.now())
            folders = deque([""])
            walked = 0
            while folders and walked < MOST_FOLDERS and len(found) < MOST_FILES:
                check()
                folder = folders.popleft()
                walked += 1
                for item in lists.of(folder or "/"):
                    path = f"{folder}/{item.name}"
                    if item.name.startswith(".") or not _can_be_named(item.name):
                        continue
                    if not item.is_folder and is_print_file(item.name):
                        found.append(StoredFile(path, item.size, item.modified_at))
                    elif item.is_folder and item.name.lower() not in PASSED_BY and path.count("/") <= DEEPEST:
                        folders.append(path)
        return Listing.newest(found, limit)

    def find(self, path: str) -> StoredFile:
        """Size and time of one file, by SIZE and MDTM."""
        _require_path(path)
        with self._connected() as ftp:
            with _line():
                size = size_on(ftp, path)
            if size is None:
                raise StorageFailed("not_found", f"the printer has no file {path}")
            return StoredFile(path, size, _modified_at(ftp, path))

    @contextmanager
    def read(self, path: str, offset: int) -> Iterator[Reading]:
        """Open the file at this byte."""
        _require_path(path)
        with self._connected() as ftp:
            data, offset = _opened(ftp, path, offset)
            try:
                data.settimeout(DATA_SECONDS)
                yield Reading(offset, _blocks(data))
            finally:
                data.close()

    def send(self, source: Path, name: str, progress: Callable[[int], None]) -> StoredFile:
        """Write the file into the root. It is broken off where the file of a start is to go."""

        def moved(sent: int) -> None:
            progress(sent)
            if self._awaited.is_set():
                raise LineBroken("interrupted", "the file of a print goes first")

        if not _can_be_named(name) or "/" in name:
            raise StorageFailed("refused", "the file name cannot be used on the printer")
        if self._in_print(name):
            raise StorageFailed("refused", f"the printer is printing {name}; it must not change now")
        try:
            with self._turn(progress):
                upload(self._printer, source, name, moved, self._reply)
        except OSError as error:
            raise _unreachable(error) from None
        return StoredFile(f"/{name}", source.stat().st_size, None)

    def send_first(self, source: Path, name: str, progress: Callable[[int], None]) -> None:
        """Write a start's file likewise, before any copy. Raises StorageFailed, OSError on a lost connection."""
        self._awaited.set()
        try:
            with self._turn(progress):
                upload(self._printer, source, name, progress, self._reply)
        finally:
            self._awaited.clear()

    @contextmanager
    def _turn(self, progress: Callable[[int], None]) -> Iterator[None]:
        while not self._sending.acquire(timeout=TURN_SECONDS):
            progress(0)
        try:
            yield
        finally:
            self._sending.release()

    def test_login(self) -> None:
        """Log in and out. Raises StorageFailed, LineBroken."""
        with self._connected():
            pass

    @contextmanager
    def _connected(self) -> Iterator[ImplicitFtps]:
        """A connection that is closed at the end."""
        try:
            ftp = login(self._printer)
        except OSError as error:
            raise _unreachable(error) from None
        try:
            yield ftp
        finally:
            ftp.close()


class _Lists:
    """Lists folders, by MLSD where the server knows it."""

    def __init__(self, ftp: ImplicitFtps, now: datetime) -> None:
        self._ftp = ftp
        self._now = now
        self._knows_facts = True

    def of(self, folder: str) -> Iterator[Item]:
        """The folder's entries; none where the printer does not let us in."""
        try:
            with _line():
                self._ftp.cwd(folder)
        except ftplib.error_perm as error:
            if folder == "/":
                raise StorageFailed("refused", f"the printer does not show its files: {error}") from None
            return
        for line in self._lines():
            item = fact_item(line) if self._knows_facts else list_item(line, self._now)
            if item is not None:
                yield item

    def _lines(self) -> list[str]:
        if self._knows_facts:
            try:
                return self._received("MLSD")
            except ftplib.error_perm as error:
                if not str(error).startswith(UNKNOWN_COMMAND):
                    raise StorageFailed("refused", f"the printer does not list its files: {error}") from None
                self._knows_facts = False
        try:
            return self._received("LIST")
        except ftplib.error_perm as error:
            raise StorageFailed("refused", f"the printer does not list its files: {error}") from None

    def _received(self, command: str) -> list[str]:
        """The answer's lines; names that are not UTF-8 are left out, nobody could ask for them."""
        content = bytearray()
        with _line():
            data = self._ftp.transfercmd(command)
            try:
                data.settimeout(DATA_SECONDS)
                while len(content) < LIST_BYTES and (block := data.recv(BLOCK)):
                    content += block
            finally:
                data.close()
            self._ftp.voidresp()
        lines = []
        for line in bytes(content).split(b"\n"):
            try:
                lines.append(line.rstrip(b"\r").decode())
            except UnicodeDecodeError:
                continue
        return lines


@contextmanager
def _line() -> Iterator[None]:
    """A line that breaks is LineBroken; what the printer refuses for good stays ftplib's."""
    try:
        with passing():
            yield
    except OSError as error:
        raise LineBroken("interrupted", f"the line to the printer broke: {error or type(error).__name__}") from None


def _unreachable(error: OSError) -> LineBroken:
    return LineBroken("unreachable", f"the printer cannot be reached for files: {error or type(error).__name__}")


def _opened(ftp: ImplicitFtps, path: str, offset: int) -> tuple[socket.socket, int]:
    """The data connection, and the byte at which it begins: 0 for a server that cannot do otherwise."""
    try:
        with _line():
            try:
                return ftp.transfercmd(f"RETR {path}", offset or None), offset
            except ftplib.error_perm as error:
                if not offset or not str(error).startswith(UNKNOWN_COMMAND):
                    raise
            return ftp.transfercmd(f"RETR {path}"), 0
    except ftplib.error_perm as error:
        if str(error).startswith(NO_SUCH_FILE):
            raise StorageFailed("not_found", f"the printer does not give {path}: {error}") from None
        raise StorageFailed("refused", f"the printer does not give {path}: {error}") from None


def _blocks(data: socket.socket) -> Iterator[bytes]:
    while True:
        with _line():
            block = data.recv(BLOCK)
        if not block:
            return
        yield block


def _modified_at(ftp: ImplicitFtps, path: str) -> datetime | None:
    """By MDTM: the printer's clock may be wrong, but it shows whether the file is still the same."""
    try:
        with _line():
            reply = ftp.sendcmd(f"MDTM {path}")
    except ftplib.error_perm:
        return None
    return moment(reply.partition(" ")[2])


def _can_be_named(name: str) -> bool:
    """Whether the name can be said in a command."""
    return bool(name) and name.isprintable()


def _require_path(path: str) -> None:
    if not path.startswith("/") or not path.isprintable() or ".." in path.split("/"):
        raise StorageFailed("refused", "the path cannot be used on the printer")
