"""Fetched files, kept by the hash of their content, so that none is fetched twice.

What a broken download left is kept likewise, for the next attempt to go on from. The files not used for longest go
when there are too many, but none that somebody holds.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_agent.cloud import Cloud, CloudRefused, CloudUnavailable
from edge_agent.command import FileOffer
from edge_agent.config import CacheConfig

PART = ".part"
"""The suffix of a file that is still being fetched."""
PART_SECONDS = 7 * 86_400.0
"""How long a file that is not fetched to its end is kept for that."""
RESERVE = 64 * 1024**2
"""Bytes of the disk that a file leaves free: the journal has to grow."""
TURN_SECONDS = 0.2


class FileUnusable(Exception):
    """The file cannot be had or is not what was promised; the message is for the operator."""


class TokenUsed(Exception):
    """The fetch token was used or has expired: claim again for a fresh one."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LocalFile:
    """A verified file on this machine, which stays there for as long as this object does; `md5` is lower-case hex."""

    path: Path
    size: int
    md5: str


class FileCache:
    """The folder `files` in the agent's state directory. Thread-safe."""

    def __init__(
        self, folder: Path, limits: CacheConfig | None = None, time_of_day: Callable[[], float] = time.time
    ) -> None:
        """`time_of_day` is the clock by which the disk says when a file was written, in seconds since the epoch."""
        self._folder = folder
        self._limits = limits or CacheConfig()
        self._lock = threading.Lock()
        self._used: weakref.WeakSet[LocalFile] = weakref.WeakSet()
        self._turns: weakref.WeakValueDictionary[str, _Turn] = weakref.WeakValueDictionary()
        """Whose files are being fetched, by the hash."""
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for part in folder.glob("*" + PART):
                if time_of_day() - part.stat().st_mtime > PART_SECONDS:
                    part.unlink()

    def held(self, offer: FileOffer) -> LocalFile | None:
        """The file, when it is here and whole."""
        path = self._folder / offer.sha256
        try:
            return self._kept(path, _verified(path, offer))
        except FileUnusable:
            path.unlink(missing_ok=True)
        except OSError:
            pass
        return None

    def fetch(self, offer: FileOffer, cloud: Cloud, check: Callable[[], None]) -> LocalFile:
        """Fetch the file with the offer's token and verify it; `check` may raise in between.

        Where others fetch the same file, it is theirs that is waited for. Raises TokenUsed, FileUnusable,
        CloudUnavailable.
        """
        with self._turn(offer.sha256, check):
            return self.held(offer) or self._fetched(offer, cloud, check)

    def _fetched(self, offer: FileOffer, cloud: Cloud, check: Callable[[], None]) -> LocalFile:
        part = self._folder / (offer.sha256 + PART)
        begun = part.exists()
        try:
            self._receive(part, offer, cloud, check)
            digests = self._checked(part, offer, begun=begun)
            found = self._kept(part.replace(self._folder / offer.sha256), digests)
        except FileUnusable:
            part.unlink(missing_ok=True)
            raise
        except OSError as error:
            part.unlink(missing_ok=True)
            raise FileUnusable(f"this machine's disk does not take the file: {error.strerror or error}") from None
        self._clean()
        return found

    def _receive(self, part: Path, offer: FileOffer, cloud: Cloud, check: Callable[[], None]) -> None:
        try:
            answer = cloud.fetch(offer.fetch_token)
        except CloudRefused as error:
            if error.status == 410:
                raise TokenUsed from None
            raise FileUnusable(f"the file could not be fetched: {error}") from None
        self._require_room(offer.size - (part.stat().st_size if part.exists() else 0))
        data, url = answer.get("data"), answer.get("downloadUrl")
        if isinstance(data, str):
            try:
                part.write_bytes(base64.b64decode(data, validate=True))
            except binascii.Error:
                raise CloudUnavailable("the fetched data is not base64") from None
        elif isinstance(url, str) and url:
            cloud.download(url, part, offer.size, check)
        else:
            raise FileUnusable("the fetch gave neither data nor a download address")

    def _checked(self, part: Path, offer: FileOffer, *, begun: bool) -> "_Digests":
        """The digests of the file that was offered, which is on disk for good now; `begun` by an earlier download."""
        try:
            digests = _verified(part, offer)
        except FileUnusable:
            if not begun:
                raise
            part.unlink()
            raise CloudUnavailable("what an earlier download left does not fit; the next begins anew") from None
        with part.open("rb") as file:
            os.fsync(file.fileno())
        return digests

    @contextmanager
    def _turn(self, sha256: str, check: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(sha256, _Turn())
        while not turn.lock.acquire(timeout=TURN_SECONDS):
            check()
        try:
            yield
        finally:
            turn.lock.release()

    def _kept(self, path: Path, digests: "_Digests") -> LocalFile:
        """The file, which nobody removes from now on. Raises FileNotFoundError where somebody has."""
        with self._lock:
            os.utime(path)
            found = LocalFile(path, digests.size, digests.md5)
            self._used.add(found)
            return found

    def _require_room(self, wanted: int) -> None:
        """Make room for so many bytes. Raises FileUnusable."""
        short = wanted + RESERVE - shutil.disk_usage(self._folder).free
        if short > 0:
            self._clean(short)
            free = shutil.disk_usage(self._folder).free
            if free < wanted + RESERVE:
                raise FileUnusable(
                    f"this machine's disk has too little space for the file: {free // 1024**2} MiB are free,"
                    f" {(wanted + RESERVE) // 1024**2} MiB are needed"
                )

    def _clean(self, more: int = 0) -> None:
        """Remove the files not used for longest until the limits are kept, and so many bytes more are free."""
        with self._lock:
            busy = {local.path.name for local in self._used} | {
                sha256 + end for sha256 in self._turns for end in ("", PART)
            }
            found = sorted(self._listed(), key=lambda each: each[1].st_mtime)
            number, total = len(found), sum(about.st_size for _, about in found)
            for path, about in found:
                if number <= self._limits.files and total <= self._limits.size and more <= 0:
                    return
                if path.name not in busy:
                    path.unlink(missing_ok=True)
                    number, total, more = number - 1, total - about.st_size, more - about.st_size

    def _listed(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()


class _Turn:
    """Who fetches a file has its lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Digests:
    size: int
    md5: str


def _verified(path: Path, offer: FileOffer) -> _Digests:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    if size != offer.size or sha256.hexdigest() != offer.sha256:
        raise FileUnusable(f"the fetched file is not the one offered ({size} of {offer.size} bytes, or another hash)")
    return _Digests(size, md5.hexdigest())
