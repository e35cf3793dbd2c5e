"""A cloud on this machine that notes what it is sent, and answers as it is told to."""

import contextlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UNAVAILABLE = (503, {"ok": False, "error_type": "UnavailableError", "message": "later"})
UNAUTHORIZED = (401, {"ok": False, "error_type": "UnauthorizedError", "message": "no such key"})


@dataclass(frozen=True)
class Request:
    """One request; `key` is its X-API-Key."""

    path: str
    key: str | None
    kind: str
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """Its JSON."""
        body: dict[str, Any] = json.loads(self.content)
        return body


class ListeningCloud(ThreadingHTTPServer):
    """`first` are answers that come before the good ones; while `answering` is clear there are none."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.first: deque[tuple[int, dict[str, Any]]] = deque()
        self.answering = threading.Event()
        self.answering.set()

    @property
    def url(self) -> str:
        """The cloud's address."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events, as often as they were sent."""
        return [each.body for each in self.requests if each.path == "/api/printer-events/report"]


class _Handler(BaseHTTPRequestHandler):
    server: ListeningCloud

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.path, self.headers.get("X-API-Key"), self.headers.get("Content-Type", ""), content)
        self.server.answering.wait(30)
        status, answer = self.server.first.popleft() if self.server.first else (201, {"eventId": "stored-1"})
        self.server.requests.append(request)
        text = json.dumps(answer).encode()
        with contextlib.suppress(ConnectionError):  # nobody may wait for the answer any more
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def listening_cloud() -> Iterator[ListeningCloud]:
    """The cloud, as long as the context lasts."""
    with ListeningCloud() as cloud:
        threading.Thread(target=cloud.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield cloud
        finally:
            cloud.answering.set()
            cloud.shutdown()
