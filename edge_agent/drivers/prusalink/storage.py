"""The printer's files by PrusaLink: its list names files by their short names, and their sizes one by one."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.drivers.base import LineBroken, Listing, Reading, StorageFailed, StoredFile, is_print_file
from edge_agent.drivers.polled.forms import content
from edge_agent.drivers.polled.line import blocks
from edge_agent.drivers.polled.parts import integer, items, part
from edge_agent.drivers.prusalink.line import Line, Occupied
from edge_agent.logs import log

FILES = "/api/v1/files"
UPLOADS = "/usb"
"""The storage of Buddy printers."""
DEEPEST_FOLDER = 16
TURN_SECONDS = 0.2
TURNS = 25
"""How often a start's file is offered to a printer that is still busy with the copy before it."""


class PrusaStorage:
    """One printer's files; every call has connections of its own. Paths are in long names, `/usb/…`.

    The printer takes one file at a time and refuses any other meanwhile: what a start brings goes first.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._taking = threading.Lock()
        self._awaited = threading.Event()

    def files(self, limit: int, check: Callable[[], None]) -> Listing:
        """The newest print files of every storage, with their folders. Raises StorageFailed, LineBroken."""
        entries: dict[str, Mapping[str, Any]] = {}
        for root in self._roots():
            self._collect(root, entries, check, 0)
        found = Listing.newest((_stored(path, entry) for path, entry in entries.items()), limit)
        sized: list[StoredFile] = []
        for file in found.files:
            check()
            try:
                sized.append(file if integer(entries[file.path].get("size")) is not None else self.find(file.path))
            except LineBroken:
                raise
            except StorageFailed as error:
                if error.code != "not_found":
                    raise
        return Listing(sized, found.truncated)

    def find(self, path: str) -> StoredFile:
        """Size and time of one file. Raises StorageFailed, LineBroken."""
        entry = part(self._line.listed(FILES + path))
        if integer(entry.get("size")) is None or entry.get("type") == "FOLDER":
            raise StorageFailed("not_found", f"the printer has no file {path}")
        return _stored(path, entry)

    @contextmanager
    def read(self, path: str, offset: int) -> Iterator[Reading]:
        """Open the file, from `offset` on where the printer can. Raises StorageFailed, LineBroken."""
        headers = {"Accept": "*/*"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with self._line.download(path, headers) as response:
            content_range = response.headers.get("Content-Range", "")
            from_offset = response.status == 206 and content_range.startswith(f"bytes {offset}-")
            yield Reading(offset if from_offset else 0, blocks(response))

    def send(self, source: Path, name: str, progress: Callable[[int], None]) -> StoredFile:
        """Write the file to the USB drive, over one of the same name. Raises StorageFailed, LineBroken.

        It is broken off where the file of a start is to go.
        """

        def moved(sent: int) -> None:
            progress(sent)
            if self._awaited.is_set():
                raise LineBroken("interrupted", "the file of a print goes first")

        with self._turn(progress):
            return self._put(source, name, moved)

    def send_first(self, source: Path, name: str, progress: Callable[[int], None]) -> StoredFile:
        """Write a start's file likewise, before any copy; the printer has one start at a time."""
        self._awaited.set()
        try:
            with self._turn(progress):
                for _ in range(TURNS):
                    try:
                        return self._put(source, name, progress)
                    except Occupied:
                        progress(0)
                        time.sleep(TURN_SECONDS)
                return self._put(source, name, progress)
        finally:
            self._awaited.clear()

    @contextmanager
    def _turn(self, progress: Callable[[int], None]) -> Iterator[None]:
        while not self._taking.acquire(timeout=TURN_SECONDS):
            progress(0)
        try:
            yield
        finally:
            self._taking.release()

    def _put(self, source: Path, name: str, progress: Callable[[int], None]) -> StoredFile:
        if any(character in name for character in "\r\n/"):
            raise StorageFailed("refused", "the file name cannot be used on the printer")
        path, size = f"{UPLOADS}/{name}", source.stat().st_size
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream", "Overwrite": "?1"}
        self._line.stored("PUT", FILES + path, headers=headers, body=content(source, progress))
        there = self.find(path)
        if there.size != size:
            self._remove(path)
            raise StorageFailed("interrupted", f"the printer holds {there.size} of {size} bytes")
        return there

    def _roots(self) -> list[str]:
        storages = items(self._line.listed("/api/v1/storage"), "storage_list")
        usable = [str(each.get("path", "")).rstrip("/") for each in storages if each.get("available") is not False]
        return [root for root in usable if root] or ([] if storages else [UPLOADS])

    def _collect(
        self, folder: str, entries: dict[str, Mapping[str, Any]], check: Callable[[], None], depth: int
    ) -> None:
        check()
        for child in items(self._line.listed(FILES + folder), "children"):
            name = str(child.get("display_name") or child.get("name") or "")
            if not name or "/" in name:
                continue
            path = f"{folder}/{name}"
            if child.get("type") == "FOLDER":
                if depth < DEEPEST_FOLDER:
                    self._collect(path, entries, check, depth + 1)
            elif is_print_file(name):
                entries[path] = child

    def _remove(self, path: str) -> None:
        reply = self._line.order("DELETE", FILES + path)
        if not reply.is_taken:
            log("partial_file_left", "WARNING", name=path, reason=reply.message)


def _stored(path: str, entry: Mapping[str, Any]) -> StoredFile:
    seconds = integer(entry.get("m_timestamp")) or 0
    try:
        modified = datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (OverflowError, OSError, ValueError):
        modified = None
    return StoredFile(path, integer(entry.get("size")) or 0, modified)
