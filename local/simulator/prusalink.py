"""The PrusaLink of a simulated Prusa printer: HTTP/1.1 without TLS (section G of the protocol notes)."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from local.simulator.listener import reset_on_close
from local.simulator.prusa_auth import Doorkeeper
from local.simulator.prusa_faults import PrusaFaults
from local.simulator.prusa_storage import ROOT, UsbDrive, is_printable

FILES = "/api/v1/files"
_LONGEST_NAME = 96
_BLOCK = 64 * 1024
_LINGER_SECONDS = 2.0
_FAULT_LOOK_SECONDS = 0.02
_TRUE = "?1"


class Device(Protocol):
    """What the server needs of its printer; the methods may be called from any thread."""

    faults: PrusaFaults
    drive: UsbDrive
    doorkeeper: Doorkeeper

    def version(self) -> dict[str, Any]: ...

    def info(self) -> dict[str, Any]: ...

    def status(self) -> dict[str, Any]: ...

    def job(self) -> dict[str, Any] | None: ...

    def control(self, job_id: int, word: str) -> HTTPStatus:
        """Pause, resume or stop that job."""

    def start(self, path: Path, origin: str) -> HTTPStatus:
        """Print the file."""

    def is_printing(self, path: Path) -> bool: ...


@dataclass(frozen=True)
class Answer:
    """What goes back; `cut` breaks the connection instead, `content` is JSON, or the bytes of a `file`."""

    status: HTTPStatus
    content: object = None
    file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


class PrusaLinkServer:
    """Serves one printer in threads of its own."""

    def __init__(self, address: tuple[str, int], device: Device) -> None:
        class Handler(_Handler):
            """Bound to this printer."""

            printer = device
            server_state = self

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="prusalink", daemon=True)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.uploading = threading.Lock()
        """Held by the one transfer that there can be."""
        self.transfer: dict[str, Any] | None = None
        """How far that is, while one is under way."""
        self.closing = False

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def begin(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut the connections."""
        self.closing = True
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        self.drop_clients()

    def drop_clients(self) -> None:
        """Reset every connection."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            cut(connection)

    def opened(self, connection: socket.socket) -> None:
        """A client has come."""
        with self._lock:
            self._connections.add(connection)

    def ended(self, connection: socket.socket) -> None:
        """A client has gone."""
        with self._lock:
            self._connections.discard(connection)


def cut(connection: socket.socket) -> None:
    """End a connection that another thread may be reading, with a reset where that is possible."""
    with contextlib.suppress(OSError):
        reset_on_close(connection)
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "PrusaLink"
    sys_version = ""
    printer: Device
    server_state: PrusaLinkServer

    def setup(self) -> None:
        super().setup()
        self.server_state.opened(self.connection)

    def finish(self) -> None:
        self.server_state.ended(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        if self.printer.faults.unreachable:
            cut(self.connection)
            return
        with contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _serve(self) -> None:
        faults = self.printer.faults
        if faults.half_open:
            self._hang("half_open")
            return
        answer = self._answer()
        if faults.silent:
            self._hang("silent")
        elif answer.cut:
            self._cut()
        else:
            self._send(answer)

    def _answer(self) -> Answer:
        admitted = self.printer.doorkeeper.admits(self.command, dict(self.headers.items()))
        if not admitted or self.printer.faults.refuse_password:
            challenge = self.printer.doorkeeper.challenge(dict(self.headers.items()))
            return Answer(HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": challenge})
        path = unquote(self.path.partition("?")[0])
        match self.command, path.rstrip("/"):
            case "GET", "/api/version":
                return Answer(HTTPStatus.OK, self.printer.version())
            case "GET", "/api/v1/info":
                return Answer(HTTPStatus.OK, self.printer.info())
            case "GET", "/api/v1/status":
                transfer = self.server_state.transfer
                return Answer(
                    HTTPStatus.OK, self.printer.status() | ({} if transfer is None else {"transfer": transfer})
                )
            case "GET", "/api/v1/job":
                job = self.printer.job()
                return Answer(HTTPStatus.NO_CONTENT) if job is None else Answer(HTTPStatus.OK, job)
            case "GET", "/api/v1/transfer":
                transfer = self.server_state.transfer
                return Answer(HTTPStatus.NO_CONTENT if transfer is None else HTTPStatus.OK, transfer)
            case "GET", "/api/v1/storage":
                return Answer(HTTPStatus.OK, {"storage_list": [self._storage()]})
            case command, where if where.startswith("/api/v1/job/"):
                return self._control(command, where.removeprefix("/api/v1/job/"))
            case command, where if where == FILES or where.startswith(FILES + "/"):
                return self._files(command, where.removeprefix(FILES))
            case "GET", where if where.startswith(ROOT + "/"):
                return self._download(where)
            case _, ("/api/version" | "/api/v1/info" | "/api/v1/status" | "/api/v1/job" | "/api/v1/storage"):
                return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        return Answer(HTTPStatus.NOT_FOUND)

    def _storage(self) -> dict[str, Any]:
        return {
            "name": "USB",
            "type": "USB",
            "path": ROOT + "/",
            "read_only": False,
            "available": True,
            "free_space": self.printer.drive.free,
        }

    def _control(self, command: str, rest: str) -> Answer:
        number, _, word = rest.partition("/")
        if not number.isdigit():
            return Answer(HTTPStatus.BAD_REQUEST)
        if (command, word) == ("DELETE", ""):
            return Answer(self.printer.control(int(number), "stop"))
        if command == "PUT":
            return Answer(self.printer.control(int(number), word))
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED)

    def _files(self, command: str, path: str) -> Answer:
        if ".." in path.split("/"):
            return Answer(HTTPStatus.NOT_FOUND)
        if path != ROOT and not path.startswith(ROOT + "/"):
            return Answer(HTTPStatus.FORBIDDEN)
        if command == "PUT":
            return self._upload(path)
        found = self.printer.drive.locate(path)
        if found is None:
            return Answer(HTTPStatus.NOT_FOUND)
        match command:
            case "GET" | "HEAD":
                shown = {"Currently-Printing": str(self.printer.is_printing(found)).lower(), "Read-Only": "false"}
                return Answer(HTTPStatus.OK, self.printer.drive.describe(found), headers=shown)
            case "DELETE":
                if self.printer.is_printing(found):
                    return Answer(HTTPStatus.CONFLICT, {"message": "File is busy"})
                found.unlink()
                return Answer(HTTPStatus.NO_CONTENT)
            case "POST":
                return self._start(found)
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED)

    def _start(self, found: Path) -> Answer:
        status = self.printer.start(found, "prusalink")
        faults = self.printer.faults
        if status is HTTPStatus.NO_CONTENT and faults.drop_after_start:
            faults.drop_after_start = False
            return Answer(status, cut=True)
        return Answer(status)

    def _download(self, path: str) -> Answer:
        found = self.printer.drive.locate(path)
        if found is None or found.is_dir():
            return Answer(HTTPStatus.NOT_FOUND)
        return Answer(HTTPStatus.OK, file=found, headers={"Content-Disposition": "attachment"})

    # Uploads.

    def _upload(self, path: str) -> Answer:
        drive, faults = self.printer.drive, self.printer.faults
        length = self.headers.get("Content-Length")
        if length is None or not length.isdigit():
            return Answer(HTTPStatus.LENGTH_REQUIRED)
        if int(length) == 0:
            return Answer(HTTPStatus.NOT_IMPLEMENTED)
        if not self.server_state.uploading.acquire(blocking=False):
            return Answer(HTTPStatus.CONFLICT, {"message": "Another transfer in progress"})
        try:
            if faults.disk_full or int(length) > drive.free:
                return Answer(HTTPStatus.INSUFFICIENT_STORAGE, {"message": "USB drive full"})
            refusal = _name_fault(path.rsplit("/", 1)[-1])
            if refusal is not None:
                return refusal
            target = drive.place(path)
            if target is None:
                return Answer(HTTPStatus.UNPROCESSABLE_ENTITY)
            if target.exists() and (self.headers.get("Overwrite") != _TRUE or self.printer.is_printing(target)):
                return Answer(HTTPStatus.CONFLICT, {"message": "File already exists"})
            return self._receive(target, int(length))
        finally:
            self.server_state.uploading.release()

    def _receive(self, target: Path, length: int) -> Answer:
        part = target.with_name(f"{time.monotonic_ns()}.tmp")
        whole, began = length, time.monotonic()
        try:
            with part.open("wb") as sink:
                while length:
                    self.server_state.transfer = {
                        "id": 1,
                        "type": "FROM_CLIENT",
                        "progress": round(100 * (whole - length) / whole, 1),
                        "transferred": whole - length,
                        "time_transferring": int(time.monotonic() - began),
                    }
                    block = self.rfile.read(min(_BLOCK, length))
                    if not block:
                        return Answer(HTTPStatus.BAD_REQUEST, {"message": "Truncated body"})
                    length -= len(block)
                    sink.write(block)
            part.replace(target)
        finally:
            self.server_state.transfer = None
            part.unlink(missing_ok=True)
        if self.headers.get("Print-After-Upload") == _TRUE:
            status = self.printer.start(target, "prusalink")
            if status is not HTTPStatus.NO_CONTENT:
                return Answer(HTTPStatus.CONFLICT, {"message": "Can't print right now"})
        return Answer(HTTPStatus.CREATED, self.printer.drive.describe(target))

    # What leaves.

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.content is None else json.dumps(answer.content).encode()
        size = answer.file.stat().st_size if answer.file is not None else len(body)
        bad = answer.status >= HTTPStatus.BAD_REQUEST
        self.close_connection = self.close_connection or bad or self.command in ("POST", "PUT")
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json")
        if answer.status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(size))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._send_content(body, answer.file)
        if bad and self.command == "PUT":
            self._linger()

    def _send_content(self, body: bytes, file: Path | None) -> None:
        if file is None:
            self.wfile.write(body)
            return
        faults = self.printer.faults
        with file.open("rb") as source:
            while block := source.read(_BLOCK):
                self.wfile.write(block)
                if faults.cut_download and source.tell() >= file.stat().st_size // 2:
                    faults.cut_download = False
                    self._cut()
                    return

    def _linger(self) -> None:
        """Let a client that is still sending read the refusal before the connection is reset."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            until = time.monotonic() + _LINGER_SECONDS
            while time.monotonic() < until and self.rfile.read1(_BLOCK):
                pass

    def _hang(self, fault: str) -> None:
        while getattr(self.printer.faults, fault) and not self.server_state.closing:
            time.sleep(_FAULT_LOOK_SECONDS)
        self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        cut(self.connection)


def _name_fault(name: str) -> Answer | None:
    """Why a file of this name is not taken."""
    if len(name.encode()) > _LONGEST_NAME:
        return Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, {"message": "File name too long"})
    if not is_printable(name):
        return Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"message": "Not a GCODE"})
    if any(character in '<>:"\\|?*' or character < " " for character in name):
        return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"message": "Filename contains invalid characters"})
    return None
