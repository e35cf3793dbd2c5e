"""A stand-in for Secret Manager on loopback, for which no emulator exists: versions and their access, over REST.

Answers `GET /v1/projects/…/secrets/…/versions/…:access` as the real one does; `latest` is the newest version. All is
forgotten at the end.
"""

import base64
import json
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import google_crc32c

_ACCESS = re.compile(r"/v1/(projects/[^/]+/secrets/[^/]+)/versions/(latest|[1-9][0-9]*):access")


class SecretManager:
    """The server; `host` is where it listens. A context manager."""

    def __init__(self, port: int = 0) -> None:
        """Port 0 takes a free one."""
        self._lock = threading.Lock()
        self._versions: dict[str, list[bytes]] = {}
        self._accesses = 0
        self._down = False
        self._damaged = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.secret_manager = self  # type: ignore[attr-defined]  # the handler's way back
        self.host = f"127.0.0.1:{self._server.server_port}"

    def add(self, secret: str, value: bytes) -> None:
        """A new version of `projects/…/secrets/…`, made if it is not there."""
        with self._lock:
            self._versions.setdefault(secret, []).append(value)

    @property
    def accesses(self) -> int:
        """How often it was asked."""
        with self._lock:
            return self._accesses

    def go_down(self) -> None:
        """From now on every call is answered 503."""
        self._down = True

    def come_back(self) -> None:
        """Ends that."""
        self._down = False

    def damage(self, answers: int) -> None:
        """The next answers hold other bytes than their checksum says."""
        with self._lock:
            self._damaged = answers

    def access(self, path: str) -> tuple[HTTPStatus, dict[str, object]]:
        """The answer to a call."""
        found = _ACCESS.fullmatch(path)
        with self._lock:
            self._accesses += 1
            if self._down:
                return _error(HTTPStatus.SERVICE_UNAVAILABLE, "UNAVAILABLE")
            versions = self._versions.get(found[1], []) if found else []
            number = len(versions) if found and found[2] == "latest" else int(found[2]) if found else 0
            if not found or not 1 <= number <= len(versions):
                return _error(HTTPStatus.NOT_FOUND, "NOT_FOUND")
            value = versions[number - 1]
            checksum = google_crc32c.value(value) ^ (1 if self._damaged > 0 else 0)
            self._damaged -= 1
        payload = {"data": base64.b64encode(value).decode(), "dataCrc32c": str(checksum)}
        return HTTPStatus.OK, {"name": f"{found[1]}/versions/{number}", "payload": payload}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        manager: SecretManager = self.server.secret_manager  # type: ignore[attr-defined]
        status, content = manager.access(self.path)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _error(status: HTTPStatus, name: str) -> tuple[HTTPStatus, dict[str, object]]:
    return status, {"error": {"code": status.value, "message": f"{name} (stand-in)", "status": name}}
