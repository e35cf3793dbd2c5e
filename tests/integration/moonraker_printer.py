"""A simulated printer with Klipper and Moonraker: what the agent asks of one, on a port of its own."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "moon-key"
Answer = tuple[int, Any]


class SimulatedMoonraker(ThreadingHTTPServer):
    """The printer. `seconds` is how long its prints take; `orders` are the requests that had an effect, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.RLock()
        self.seconds = 1e6
        self.klipper = "ready"
        self.state = "standby"
        self.file = ""
        self.files: dict[str, bytes] = {}
        self.orders: list[str] = []
        self.unanswered: set[str] = set()
        """The last parts of paths whose next request is carried out, and its answer lost."""
        self.refused: set[str] = set()
        """The last parts of paths that Klipper refuses."""
        self.may_cancel = threading.Event()
        """Cleared, it holds back what is to cancel a print."""
        self.may_cancel.set()
        self.cancels = self.looks = 0
        """How often somebody asked for a cancel, and for the state."""
        self.away = False
        """Whether connections are dropped before anything is read."""
        self._began = 0.0
        self._done = 0.0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing."""

    def at_screen(self, order: str, file: str = "") -> None:
        """A person starts, pauses, resumes or cancels a print."""
        with self.lock:
            getattr(self, f"_{order}")(file)

    def finish(self) -> None:
        """The print comes to its end."""
        with self.lock:
            self._began = float("-inf")
            self._advance()

    def power_cut(self) -> None:
        """The printer comes back without a print."""
        with self.lock:
            self.state, self.file, self._done = "standby", "", 0.0

    def answer(self, method: str, path: str, query: dict[str, list[str]], content: bytes, kind: str) -> Answer:
        """Status and body."""
        last = path.rsplit("/", 1)[-1]
        with self.lock:
            self._advance()
            if last in self.refused:
                return 400, {"error": {"code": 400, "message": f"no {last} now"}}
            match path.split("/")[1:]:
                case ["printer", "info"]:
                    return 200, {"result": {"state": self.klipper, "software_version": "v0.12.0"}}
                case ["printer", "objects", "query"]:
                    self.looks += 1
                    known = {"webhooks", "print_stats", "virtual_sdcard", "heater_bed", "extruder"}
                    return 200, {"result": {"eventtime": 1.5, "status": self._status(known & query.keys())}}
                case ["printer", "print", order]:
                    return self._ordered(order, query.get("filename", [""])[0])
                case ["server", "files", "upload"]:
                    return self._upload(content, kind)
                case ["server", "files", "list"]:
                    found = self.files.items()
                    return 200, {"result": [{"path": k, "modified": 1.7e9, "size": len(v)} for k, v in found]}
                case ["server", "files", "gcodes", *parts] if method == "GET":
                    return 200, self.files[unquote("/".join(parts))]
                case _:
                    return 404, {"error": {"code": 404, "message": "Not Found"}}

    def _ordered(self, order: str, file: str) -> Answer:
        free = self.state not in ("printing", "paused")
        if self.klipper != "ready" or (order == "start" and (not free or file not in self.files)):
            return 400, {"error": {"code": 400, "message": f"cannot {order} now"}}
        self.orders.append(f"{order} {file}".strip())
        getattr(self, f"_{order}")(file)
        return 200, {"result": "ok"}

    def _start(self, file: str) -> None:
        self.state, self.file, self._began, self._done = "printing", file, time.monotonic(), 0.0

    def _pause(self, _file: str) -> None:
        if self.state == "printing":
            self.state = "paused"

    def _resume(self, _file: str) -> None:
        if self.state == "paused":
            self.state, self._began = "printing", time.monotonic() - self._done * self.seconds

    def _cancel(self, _file: str) -> None:
        if self.state in ("printing", "paused"):
            self.state = "cancelled"

    def _advance(self) -> None:
        if self.state == "printing":
            self._done = min((time.monotonic() - self._began) / self.seconds, 1.0)
            if self._done >= 1:
                self.state = "complete"

    def _status(self, wanted: set[str]) -> dict[str, Any]:
        hot = self.state == "printing"
        spent = self._done * self.seconds
        objects: dict[str, Any] = {
            "webhooks": {"state": self.klipper, "state_message": ""},
            "print_stats": {"state": self.state, "filename": self.file, "print_duration": spent, "message": ""},
            "virtual_sdcard": {"progress": self._done, "is_active": hot},
            "heater_bed": {"temperature": 60.0 if hot else 25.0, "target": 60.0 if hot else 0.0},
            "extruder": {"temperature": 215.0 if hot else 25.0, "target": 215.0 if hot else 0.0},
        }
        return {name: objects[name] for name in wanted}

    def _upload(self, content: bytes, kind: str) -> Answer:
        fields: dict[str, bytes] = {}
        name = ""
        for part in message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content).walk():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                fields[str(part.get_param("name", header="content-disposition"))] = payload
                name = part.get_filename() or name
        if hashlib.sha256(fields["file"]).hexdigest().encode() != fields["checksum"]:
            return 422, {"error": {"code": 422, "message": "File checksum mismatch"}}
        self.files[name] = fields["file"]
        return 201, {"item": {"path": name, "root": "gcodes", "size": len(fields["file"])}, "action": "create_file"}


class _Handler(BaseHTTPRequestHandler):
    server: SimulatedMoonraker
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if self.server.away:
            self.close_connection = True
            return
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        last = url.path.rsplit("/", 1)[-1]
        query = parse_qs(url.query, keep_blank_values=True)
        if last == "cancel":
            self.server.cancels += 1
            self.server.may_cancel.wait(20)
        status: int = 401
        body: Any = {"error": {"code": 401, "message": "Unauthorized"}}
        if self.headers.get("X-Api-Key") == KEY:
            kind = self.headers.get("Content-Type", "")
            status, body = self.server.answer(self.command, url.path, query, content, kind)
        if last in self.server.unanswered:
            self.server.unanswered.discard(last)
            self.close_connection = True
            return
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def simulated_moonraker() -> Iterator[SimulatedMoonraker]:
    """The printer, as long as the context lasts."""
    with SimulatedMoonraker() as printer:
        threading.Thread(target=printer.serve_forever, args=(0.01,), daemon=True).start()
        yield printer
        printer.shutdown()
