"""A stand-in for IAM Credentials on loopback: gives tokens of service accounts, and remembers for which."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

Mood = Literal["well", "down", "refusing", "silent", "babbling"]

TOKEN = "ya29.of-the-stand-in"
SILENCE_SECONDS = 30.0


class IamCredentials:
    """The server; `host` is where it listens, `asked` what it was asked for. A context manager."""

    def __init__(self) -> None:
        self.mood: Mood = "well"
        self.asked: list[tuple[str, Any]] = []
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.iam = self  # type: ignore[attr-defined]  # the handler's way back
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        iam: IamCredentials = self.server.iam  # type: ignore[attr-defined]
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        iam.asked.append((self.path, asked))
        expires = datetime.now(UTC) + timedelta(seconds=float(asked["lifetime"].removesuffix("s")))
        match iam.mood:
            case "well":
                told = {
                    "accessToken": TOKEN,
                    "expireTime": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
                }
                self._answer(HTTPStatus.OK, json.dumps(told))
            case "down":
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, '{"error": {"status": "UNAVAILABLE"}}')
            case "refusing":
                error = {"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}}
                self._answer(HTTPStatus.FORBIDDEN, json.dumps(error))
            case "silent":
                iam.over.wait(SILENCE_SECONDS)
                self.close_connection = True
            case "babbling":
                self._answer(HTTPStatus.OK, "<html>")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""
