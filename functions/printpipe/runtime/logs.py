"""Logs as Cloud Logging reads them: one JSON object per line, bound to the request."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_bound: ContextVar[Mapping[str, Any]] = ContextVar("bound", default=_NOTHING)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "severity": record.levelname,
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "message": record.getMessage(),
            **_bound.get(),
            **getattr(record, "fields", {}),
        }
        if record.name == "printpipe":
            line["event"] = record.getMessage()
        if record.exc_info:
            line["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, default=str)


def set_up() -> None:
    """Sends our own log to standard output, once."""
    logger = logging.getLogger("printpipe")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(_Formatter())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Adds these fields to every line that is logged inside."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def trace_of(header: str | None, project: str | None) -> str | None:
    """The trace's full name from `X-Cloud-Trace-Context`, as Cloud Logging groups lines by it."""
    trace = (header or "").partition("/")[0]
    return f"projects/{project}/traces/{trace}" if project and trace.isalnum() else None
