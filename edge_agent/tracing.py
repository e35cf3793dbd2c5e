"""Spans of what becomes of a command here, below the cloud's own; off unless there is somewhere to send them.

OpenTelemetry is imported only then. Without it the trace context that came with a command goes back with every call
about it, as it came: https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

from edge_agent.steps import Step

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "printpipe-edge-agent"
EXPORT_SECONDS = 2.0
"""How long one attempt to send spans may take."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_here: ContextVar[str] = ContextVar("traceparent", default="")


class _Tracing:
    provider: "TracerProvider | None" = None


def begin(endpoint: str | None) -> None:
    """From now on spans are made and sent over OTLP (HTTP, protobuf) to an endpoint's `/v1/traces`, if there is one."""
    _Tracing.provider = None if endpoint is None else _provider(f"{endpoint.rstrip('/')}/v1/traces")


def end(seconds: float) -> None:
    """Sends what has ended, for at most so long, and makes no more spans."""
    provider, _Tracing.provider = _Tracing.provider, None
    if provider is not None:
        leaving = threading.Thread(target=provider.shutdown, name="tracing-end", daemon=True)
        leaving.start()
        leaving.join(max(seconds, 0.0))


def here() -> str:
    """The trace context of what this thread does; empty where there is none."""
    return _here.get()


@contextmanager
def carrying(traceparent: str) -> Iterator[None]:
    """What is done inside belongs to the trace; no span is made."""
    token = _here.set(traceparent if _TRACEPARENT.fullmatch(traceparent) else "")
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def span(name: str, parent: str | None = None, attributes: Mapping[str, str] = _NOTHING) -> Iterator[None]:
    """A span of what is done inside; below `parent`, where one is given, or else below what this thread does."""
    above = _here.get() if parent is None else parent
    if _Tracing.provider is None:
        with carrying(above):
            yield
        return
    from opentelemetry.context import Context
    from opentelemetry.trace import StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": above}, context=Context())
    begun = _Tracing.provider.get_tracer("edge_agent").start_span(name, context=context, attributes=dict(attributes))
    own = begun.get_span_context()
    try:
        with carrying(f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"):
            yield
    except Exception as error:
        begun.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        begun.end()


class Waits:
    """Spans of a command's waits, from one step to another: each begins where the one before it ends."""

    _BEGINS: Mapping[Step, str] = MappingProxyType(
        {
            Step.CLAIMING: "claim",
            Step.UPLOADING: "upload",
            Step.SENDING: "publish",
            Step.SENT: "acknowledgement",
            Step.ACKNOWLEDGED: "effect",
        }
    )
    _WITHIN = frozenset({Step.HANDED_OVER, Step.PUBLISHED})
    """Steps on the way, with which no wait ends."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def reach(self, step: Step) -> None:
        """The wait that was under way is over, and perhaps another begins."""
        if step in self._WITHIN:
            return
        self._open.close()
        if (name := self._BEGINS.get(step)) is not None:
            self._open.enter_context(span(name))

    def close(self) -> None:
        """No wait is under way any more."""
        self._open.close()


def _provider(endpoint: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource({SERVICE_NAME: SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS)))
    return provider
