"""Fetched files, kept by the hash of their content, so that none is fetched twice."""

import base64
import binascii
import contextlib
import hashlib
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_agent.cloud import Cloud, CloudRefused, CloudUnavailable
from edge_agent.command import FileOffer

KEEP_FILES = 20
KEEP_BYTES = 2 * 1024**3
PART = ".part"
"""The suffix of a file that is still being fetched."""


class FileUnusable(Exception):
    """The file cannot be had or is not what was promised; the message is for the operator."""


class TokenUsed(Exception):
    """The fetch token was used or has expired: claim again for a fresh one."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A verified file on this machine; `md5` is lower-case hex."""

    path: Path
    size: int
    md5: str


class FileCache:
    """The folder `files` in the agent's state directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cleaning = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in folder.glob("*" + PART):
            leftover.unlink(missing_ok=True)

    def held(self, offer: FileOffer) -> LocalFile | None:
        """The file, when it is here and whole."""
        path = self._folder / offer.sha256
        try:
            found = _verified(path, offer)
        except FileNotFoundError:
            return None
        except FileUnusable:
            path.unlink(missing_ok=True)
            return None
        os.utime(path)
        return found

    def fetch(self, offer: FileOffer, cloud: Cloud, check: Callable[[], None]) -> LocalFile:
        """Fetch the file with the offer's token and verify it; `check` may raise in between.

        Raises TokenUsed, FileUnusable, CloudUnavailable.
        """
        part = self._folder / (uuid.uuid4().hex + PART)
        try:
            answer = cloud.fetch(offer.fetch_token)
        except CloudRefused as error:
            if error.status == 410:
                raise TokenUsed from None
            raise FileUnusable(f"the file could not be fetched: {error}") from None
        try:
            self._receive(answer, part, offer, cloud, check)
            fetched = _verified(part, offer)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            path = part.replace(self._folder / offer.sha256)
        finally:
            part.unlink(missing_ok=True)
        self._clean(offer.sha256)
        return replace(fetched, path=path)

    def _receive(
        self, answer: Mapping[str, Any], part: Path, offer: FileOffer, cloud: Cloud, check: Callable[[], None]
    ) -> None:
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

    def _clean(self, keep: str) -> None:
        """Remove the files not used for longest; what other threads fetch meanwhile is left alone."""
        with self._cleaning, contextlib.suppress(FileNotFoundError):
            found = [(path, path.stat()) for path in self._folder.iterdir() if path.suffix != PART]
            found.sort(key=lambda each: each[1].st_mtime, reverse=True)
            total = 0
            for place, (path, about) in enumerate(found):
                total += about.st_size
                if path.name != keep and (place >= KEEP_FILES or total > KEEP_BYTES):
                    path.unlink(missing_ok=True)


def _verified(path: Path, offer: FileOffer) -> LocalFile:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    if size != offer.size or sha256.hexdigest() != offer.sha256:
        raise FileUnusable(f"the fetched file is not the one offered ({size} of {offer.size} bytes, or another hash)")
    return LocalFile(path, size, md5.hexdigest())
