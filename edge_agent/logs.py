"""Structured log: one JSON object per line on stdout, in the fields Cloud Logging reads."""

import contextlib
import json
import sys
import threading
import traceback
from typing import Literal

from edge_agent.timestamps import render, utc_now

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_lock = threading.Lock()


def log(event: str, severity: Severity = "INFO", **fields: object) -> None:
    """Write the event with its fields; those that are None are left out. Callers never pass a secret.

    It never raises: an agent whose output nobody reads any more goes on.
    """
    line: dict[str, object] = {"severity": severity, "time": render(utc_now()), "message": event, "event": event}
    line.update((name, value) for name, value in fields.items() if value is not None)
    text = json.dumps(line, default=str)
    with _lock, contextlib.suppress(OSError, ValueError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def log_exception(event: str, error: BaseException, **fields: object) -> None:
    """Write the event at ERROR with the stack of `error`."""
    log(event, "ERROR", error=repr(error), stack="".join(traceback.format_exception(error)), **fields)
