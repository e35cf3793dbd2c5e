"""The printer's files by PrusaLink: its list names files by their short names, and their sizes one by one."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.config import Timing
from edge_agent.drivers.base import LineBroken, Listing, Reading, StorageFailed, StoredFile, is_print_file
from edge_agent.drivers.polled.forms import content
from edge_agent.drivers.prusalink.line import (
    LARGEST_LIST,
    Answer,
    Broken,
    KeyRefused,
    Line,
    LineFailed,
    NotReachable,
)
from edge_agent.drivers.prusalink.state import integer
from edge_agent.logs import log

FILES = "/api/v1/files"
UPLOADS = "/usb"
"""The storage of Buddy printers."""
DEEPEST_FOLDER = 16
TURN_SECONDS = 0.2
TURNS = 25
"""How often a start's file is offered to a printer that is still busy with the copy before it."""


class Occupied(LineBroken):
    """409: another transfer is under way, or the file is being printed; both pass."""


class PrusaStorage:
    """One printer's files; every call has connections of its own. Paths are in long names, `/usb/…`.

    The printer takes one file at a time and refuses any other meanwhile: what a start brings goes first.
    """

    def __init__(self, line: Line, timing: Timing) -> None:
        self._line = line
        self._timing = timing
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
        answer = self._get(FILES + path)
        if integer(answer.content.get("size")) is None or answer.content.get("type") == "FOLDER":
            raise StorageFailed("not_found", f"the printer has no file {path}")
        return _stored(path, answer.content)

    @contextmanager
    def read(self, path: str, offset: int) -> Iterator[Reading]:
        """Open the file, from `offset` on where the printer can. Raises StorageFailed, LineBroken."""
        headers = {"Accept": "*/*"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with _told(), self._line.download(path, headers) as answer:
            if answer.status not in (200, 206):
                raise _failed(Answer(answer.status, {}))
            from_offset = answer.status == 206 and answer.content_range.startswith(f"bytes {offset}-")
            yield Reading(offset if from_offset else 0, _blocks(answer.blocks))

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
        with _told():
            answer = self._line.ask(
                "PUT",
                FILES + path,
                headers=headers,
                body=content(source, progress),
                answer_seconds=self._timing.ftps_reply,
            )
        if not answer.is_good:
            raise _failed(answer)
        there = self.find(path)
        if there.size != size:
            self._remove(path)
            raise StorageFailed("interrupted", f"the printer holds {there.size} of {size} bytes")
        return there

    def _roots(self) -> list[str]:
        listed = self._get("/api/v1/storage").content.get("storage_list")
        storages = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
        usable = [str(each.get("path", "")).rstrip("/") for each in storages if each.get("available") is not False]
        return [root for root in usable if root] or ([] if storages else [UPLOADS])

    def _collect(
        self, folder: str, entries: dict[str, Mapping[str, Any]], check: Callable[[], None], depth: int
    ) -> None:
        check()
        children = self._get(FILES + folder).content.get("children")
        for child in children if isinstance(children, list) else []:
            name = str(child.get("display_name") or child.get("name") or "") if isinstance(child, Mapping) else ""
            if not name or "/" in name:
                continue
            path = f"{folder}/{name}"
            if child.get("type") == "FOLDER":
                if depth < DEEPEST_FOLDER:
                    self._collect(path, entries, check, depth + 1)
            elif is_print_file(name):
                entries[path] = child

    def _get(self, path: str) -> Answer:
        with _told():
            answer = self._line.get(path, most=LARGEST_LIST)
        if not answer.is_good:
            raise _failed(answer)
        return answer

    def _remove(self, path: str) -> None:
        try:
            self._line.ask("DELETE", FILES + path)
        except LineFailed as error:
            log("partial_file_left", "WARNING", name=path, reason=str(error))


@contextmanager
def _told() -> Iterator[None]:
    """The line's failures as the storage's."""
    try:
        yield
    except NotReachable as error:
        raise LineBroken("unreachable", str(error)) from None
    except Broken as error:
        raise LineBroken("interrupted", str(error)) from None
    except KeyRefused as error:
        raise StorageFailed("refused", str(error)) from None


def _failed(answer: Answer) -> StorageFailed:
    message = f"the printer refused the file: {answer.complaint}"
    match answer.status:
        case 404:
            return StorageFailed("not_found", "the printer has no such file")
        case 409:
            return Occupied("interrupted", message)
        case 507:
            return StorageFailed("no_space", message)
    return StorageFailed("refused", message)


def _stored(path: str, entry: Mapping[str, Any]) -> StoredFile:
    seconds = integer(entry.get("m_timestamp")) or 0
    try:
        modified = datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (OverflowError, OSError, ValueError):
        modified = None
    return StoredFile(path, integer(entry.get("size")) or 0, modified)


def _blocks(blocks: Iterator[bytes]) -> Iterator[bytes]:
    with _told():
        yield from blocks
