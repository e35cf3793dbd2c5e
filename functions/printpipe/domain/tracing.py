"""Where in a trace we are, in W3C's words, and spans of what we do there.

Nothing here makes spans: a `Tracer` does, if the runtime has set one. Without it a span is nothing but the trace
context that it began with, which is carried on as it came: https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

Kind = Literal["server", "consumer", "producer", "internal"]
Attributes = Mapping[str, str | int]

NO_ATTRIBUTES: Attributes = MappingProxyType({})

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = slice(3, 35)
_here: ContextVar[str] = ContextVar("traceparent", default="")


class Span(Protocol):
    """A span that has begun; `traceparent` is what follows from it."""

    @property
    def traceparent(self) -> str:
        """Its trace context; empty where there is none."""

    def note(self, name: str, value: str | int) -> None:
        """Adds an attribute; its name is one of OpenTelemetry's conventions, or begins with `printpipe.`."""

    def fail(self, why: str) -> None:
        """Marks it as failed."""


class Tracer(Protocol):
    """What makes spans."""

    def span(self, name: str, kind: Kind, parent: str) -> AbstractContextManager[Span]:
        """A span for as long as the context lasts, failed by an exception; without a `parent` the first of a trace."""


@dataclass(frozen=True)
class _Carried:
    """No span: the trace context that came is handed on."""

    traceparent: str

    def note(self, name: str, value: str | int) -> None:
        pass

    def fail(self, why: str) -> None:
        pass


class _Tracing:
    tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """From now on spans are made by this tracer, or by none."""
    _Tracing.tracer = tracer


def here() -> str:
    """The trace context of what is going on; empty where nothing is traced and none came."""
    return _here.get()


def nearest(own: str) -> str:
    """What is going on, where that is of the same trace as `own` or nothing else is known; otherwise `own`."""
    going_on = _here.get()
    return own if own and own[_TRACE_ID] != going_on[_TRACE_ID] else going_on


def well_formed(offered: str | None) -> str:
    """A trace context that came from outside, or an empty one in place of what is none."""
    return offered if offered and _TRACEPARENT.fullmatch(offered) else ""


@contextmanager
def span(
    name: str, kind: Kind = "internal", parent: str | None = None, attributes: Attributes = NO_ATTRIBUTES
) -> Iterator[Span]:
    """A span of what is done inside; below `parent`, where one is given, or else below what is going on."""
    above = _here.get() if parent is None else well_formed(parent)
    with _Tracing.tracer.span(name, kind, above) if _Tracing.tracer else nullcontext(_Carried(above)) as begun:
        for attribute, value in attributes.items():
            begun.note(attribute, value)
        token = _here.set(begun.traceparent)
        try:
            yield begun
        finally:
            _here.reset(token)
