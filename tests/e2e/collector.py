"""A receiver of spans on loopback, as OTLP sends them over HTTP: it keeps them, to be looked at."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Span:
    """A span that has ended, its ids in lower hex; `parent` is empty for the first of a trace."""

    trace: str
    id: str
    parent: str
    name: str
    service: str
    attributes: tuple[tuple[str, str], ...]
    failed: bool


class Collector:
    """What has come in so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._spans: list[Span] = []
        self._lock = threading.Lock()

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace."""
        with self._lock:
            return [each for each in self._spans if each.trace == trace_id]

    def take(self, body: bytes) -> None:
        """Keeps the spans of one request."""
        request = ExportTraceServiceRequest.FromString(body)
        found = [
            Span(
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                name=span.name,
                service=next(
                    each.value.string_value for each in group.resource.attributes if each.key == "service.name"
                ),
                attributes=tuple((each.key, each.value.string_value) for each in span.attributes),
                failed=span.status.code == span.status.STATUS_CODE_ERROR,
            )
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans += found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
