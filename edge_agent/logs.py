"""Structured log: one JSON object per line on stdout, in the fields Cloud Logging reads, and where wanted in a file."""

import contextlib
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Literal, TextIO

from edge_agent.timestamps import render, utc_now

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

FILE_BYTES = 5 * 1000**2
OLD_FILES = 4

_lock = threading.Lock()


class _File(RotatingFileHandler):
    """Files that their owner alone reads. It never raises: an agent whose disk is full goes on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8")

    def write(self, line: str) -> None:
        """Append one line, to the next file where this one is full."""
        self.handle(logging.makeLogRecord({"msg": line}))

    def handleError(self, record: logging.LogRecord) -> None:
        """Do without the line."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_private)


class _Output:
    """Where lines go now; without a `stream` to what is stdout at that time."""

    stream: TextIO | None = None
    silent = False
    file: _File | None = None


_output = _Output()


def keep(path: Path) -> None:
    """Write into this file too, 25 MB of it at the most. Raises OSError where it cannot be opened."""
    _output.file = _File(path)


@contextlib.contextmanager
def directed(stream: TextIO | None) -> Iterator[None]:
    """Meanwhile write to `stream` in place of stdout; None writes to no stream at all."""
    before = _output.stream, _output.silent
    _output.stream, _output.silent = stream, stream is None
    try:
        yield
    finally:
        _output.stream, _output.silent = before


def log(event: str, severity: Severity = "INFO", **fields: object) -> None:
    """Write the event with its fields; those that are None are left out. Callers never pass a secret.

    A `message` among the fields is a sentence for people, in place of the event's name.
    It never raises: an agent whose output nobody reads any more goes on.
    """
    line: dict[str, object] = {"severity": severity, "time": render(utc_now()), "message": event, "event": event}
    line.update((name, value) for name, value in fields.items() if value is not None)
    text = json.dumps(line, default=str)
    with _lock:
        if not _output.silent:
            _print(text, _output.stream or sys.stdout)
        if _output.file is not None:
            _output.file.write(text)


def log_exception(event: str, error: BaseException, **fields: object) -> None:
    """Write the event at ERROR with the stack of `error`, and with what it says: some show more in their `repr`."""
    log(
        event,
        "ERROR",
        error=f"{type(error).__name__}: {error}",
        stack="".join(traceback.format_exception(error)),
        **fields,
    )


def _print(text: str, stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.write(text + "\n")
        stream.flush()


def _private(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor
