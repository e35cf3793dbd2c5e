"""The control API of a farm: look into the printers and give them faults. HTTP and JSON, loopback only."""

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

HOST = "127.0.0.1"
_MAX_BODY_BYTES = 1024 * 1024


class ControlledPrinter(Protocol):
    """What the API needs of a printer; methods may be called from any thread and raise ValueError for bad input."""

    @property
    def serial(self) -> str: ...

    def describe(self) -> dict[str, Any]: ...

    def inspect(self) -> dict[str, Any]: ...

    def set_faults(self, **changes: Any) -> None: ...

    def set_hms(self, entries: list[tuple[int, int]], print_error: int | None = None) -> None: ...

    def set_filaments(self, **setup: Any) -> None: ...

    def at_screen(self, action: str, file: str = "", plate: int = 1) -> None: ...

    def set_speed(self, speed: float) -> None: ...

    def fail(self, print_error: int) -> None: ...


class ControlServer:
    """Serves the API in threads of its own."""

    def __init__(self, printers: list[ControlledPrinter], port: int = 0) -> None:
        by_serial = {printer.serial: printer for printer in printers}

        class Handler(_Handler):
            """Bound to the printers of this farm."""

            printers = by_serial

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="simulator-control", daemon=True
        )

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def begin(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """GET /printers[/{serial}], POST /printers/{serial}/{faults|hms|filaments|screen|speed|fail}."""

    protocol_version = "HTTP/1.1"
    printers: dict[str, ControlledPrinter]

    def do_GET(self) -> None:
        """List the printers or show one."""
        match self._path():
            case ["printers"]:
                self._answer(HTTPStatus.OK, [{**p.describe(), **p.inspect()} for p in self.printers.values()])
            case ["printers", serial] if serial in self.printers:
                printer = self.printers[serial]
                self._answer(HTTPStatus.OK, {**printer.describe(), **printer.inspect()})
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "no such printer or path"})

    def do_POST(self) -> None:
        """Do something to one printer and show it."""
        try:
            body = self._body()
            match self._path():
                case ["printers", serial, action] if serial in self.printers and action in _ACTIONS:
                    printer = self.printers[serial]
                    _ACTIONS[action](printer, body)
                    self._answer(HTTPStatus.OK, printer.inspect())
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, {"error": "no such printer or path"})
        except (ValueError, TypeError, KeyError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _path(self) -> list[str]:
        return self.path.partition("?")[0].strip("/").split("/")

    def _body(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY_BYTES:
            raise ValueError("body too large")
        body = json.loads(self.rfile.read(length) or b"{}")
        if not isinstance(body, dict):
            raise ValueError("the body is a JSON object")
        return body

    def _answer(self, status: HTTPStatus, content: object) -> None:
        encoded = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


def _set_hms(printer: ControlledPrinter, body: dict[str, Any]) -> None:
    entries = [(int(entry["attr"]), int(entry["code"])) for entry in body.get("entries", [])]
    printer.set_hms(entries, int(body["print_error"]) if "print_error" in body else None)


def _at_screen(printer: ControlledPrinter, body: dict[str, Any]) -> None:
    printer.at_screen(str(body.get("action", "")), file=str(body.get("file", "")), plate=int(body.get("plate", 1)))


_ACTIONS: dict[str, Callable[[ControlledPrinter, dict[str, Any]], None]] = {
    "faults": lambda printer, body: printer.set_faults(**body),
    "hms": _set_hms,
    "filaments": lambda printer, body: printer.set_filaments(**body),
    "screen": _at_screen,
    "speed": lambda printer, body: printer.set_speed(float(body["speed"])),
    "fail": lambda printer, body: printer.fail(int(body["print_error"])),
}
