"""Spans by OpenTelemetry, sent over OTLP (HTTP, protobuf); where its standard variables name no endpoint, none.

OpenTelemetry is imported only where spans are made: a function that is not traced starts no slower for it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from printpipe.domain import tracing
from printpipe.domain.tracing import Attributes, Kind
from printpipe.runtime.settings import traces_endpoint

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_FLUSH_SECONDS = 2.0
"""How long a function waits until its spans are taken; what is not taken then is sent by the next one that runs."""

_REST_SECONDS = 30.0
"""How long nobody waits for a receiver that has kept a function waiting."""

_SERVICE = "printpipe-functions"

_once = threading.Lock()


class _Begun:
    """A span of OpenTelemetry's."""

    def __init__(self, span: "Span") -> None:
        self._span = span
        own = span.get_span_context()
        self.traceparent = f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}" if own.is_valid else ""

    def note(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def fail(self, why: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_status(StatusCode.ERROR, why)


class _OpenTelemetry:
    """The tracer of this process."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._kinds: dict[Kind, SpanKind] = {
            "server": SpanKind.SERVER,
            "consumer": SpanKind.CONSUMER,
            "producer": SpanKind.PRODUCER,
            "internal": SpanKind.INTERNAL,
        }
        self._provider = provider
        self._tracer = provider.get_tracer("printpipe")
        self._read = TraceContextTextMapPropagator().extract
        self._rests_until = 0.0

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str) -> Iterator[_Begun]:
        from opentelemetry.context import Context

        above = self._read({"traceparent": parent}, context=Context())
        span = self._tracer.start_span(name, context=above, kind=self._kinds[kind])
        begun = _Begun(span)
        try:
            yield begun
        except Exception as error:
            begun.fail(type(error).__name__)  # not its text, which may hold what is nobody's business
            raise
        finally:
            span.end()

    def flush(self) -> None:
        began = time.monotonic()
        if began < self._rests_until:
            return
        self._provider.force_flush(int(_FLUSH_SECONDS * 1000))
        if time.monotonic() - began > _FLUSH_SECONDS / 2:
            self._rests_until = time.monotonic() + _REST_SECONDS


class _Process:
    tracer: _OpenTelemetry | None = None


def set_up() -> None:
    """Begins to make spans, once, where there is somewhere to send them."""
    with _once:
        if _Process.tracer is None and traces_endpoint() is not None:
            _Process.tracer = _opened()
            tracing.use(_Process.tracer)


@contextmanager
def invocation(name: str, kind: Kind, parent: str, attributes: Attributes) -> Iterator[tracing.Span]:
    """The span of one invocation; what has ended is sent at its end, for the platform may stop the process then."""
    try:
        with tracing.span(name, kind, parent, attributes) as span:
            yield span
    finally:
        if _Process.tracer is not None:
            _Process.tracer.flush()


def _opened() -> _OpenTelemetry:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource({SERVICE_NAME: _SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_FLUSH_SECONDS)))
    return _OpenTelemetry(provider)
