"""The LAN client that is deployed in the field, as the contract describes its calls, and printers that only pretend."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from tests.contract.wire_client import PICTURE


class PowerCut(Exception):
    """The client's machine went off."""


@dataclass
class LanPrinter:
    """A printer that does what it is told and remembers it."""

    serial: str
    address: str
    local_name: str = "printer-001"
    state: str = "IDLE"
    started: list[tuple[str, bytes]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def start(self, name: str, content: bytes) -> None:
        """Begins a print, whatever was on the bed."""
        self.started.append((name, content))
        self.state = "RUNNING"

    def do(self, command: str) -> None:
        """Any other command."""
        self.told.append(command)
        self.state = {"pause": "PAUSE", "resume": "RUNNING", "stop": "IDLE", "cancel": "IDLE"}.get(command, self.state)


class LanClient:
    """One start of the client. What it must not forget lies in a folder: which commands it ran, and files.

    Its key stands in the query; two calls it makes without one. It acknowledges nothing.
    """

    VERSION = "2.4.1"

    def __init__(self, base_url: str, recipient: str, key: str, disk: Path, printers: list[LanPrinter]) -> None:
        self._base_url, self._recipient, self._key, self._disk = base_url, recipient, key, disk
        self._printers = printers
        self._session = requests.Session()
        self._session.trust_env = False
        self._jobs: dict[str, Mapping[str, Any]] = {}
        self.before_result: Callable[[], None] = lambda: None

    def poll(self) -> list[str]:
        """Runs what it has not run before; the ids of what it ran."""
        commands = self._get("/control", recipientId=self._recipient, apiKey=self._key)["commands"]
        ran = []
        for command in commands:
            identity = command.get("commandId") or command["id"]
            printer = self._route(command)
            if identity in self._remembered() or printer is None:
                continue
            self._remember(identity)
            answer = self._run(command, printer)
            self.before_result()
            path = f"/control/{identity}/result"
            self._post(path, answer, query={"recipientId": self._recipient, "apiKey": self._key})
            ran.append(identity)
        return ran

    def heartbeat(self) -> None:
        """That it is there."""
        self._post("/api/heartbeat", {"recipientId": self._recipient, "clientVersion": self.VERSION}, query=self._keyed)

    def report_flat(self, printer: LanPrinter, **values: Any) -> dict[str, Any]:
        """A printer's status, its fields beside its names."""
        body = {**self._names(printer), "gcodeState": printer.state, **values, "timestamp": _now()}
        return self._post("/api/printer-status/update", body, query=self._keyed)

    def report_nested(self, printer: LanPrinter, *, camera: bool = False, **values: Any) -> dict[str, Any]:
        """A printer's status in an object of its own, with the camera's picture beside it."""
        body = {**self._names(printer), "status": {"gcodeState": printer.state, **values}, "timestamp": _now()}
        if camera:
            body["cameraImage"] = base64.b64encode(PICTURE).decode()
        return self._post("/api/printer-status/update", body, query=self._keyed)

    def send_picture(self, printer: LanPrinter) -> dict[str, Any]:
        """The camera's picture alone."""
        data = f"data:image/jpeg;base64,{base64.b64encode(PICTURE).decode()}"
        body = {
            "recipientId": self._recipient,
            "printerSerial": printer.serial,
            "imageType": "snapshot",
            "imageData": data,
            "timestamp": _now(),
        }
        return self._post("/api/printer-images/upload", body, query=self._keyed)

    def report_event(self, printer: LanPrinter, kind: str, status: str, **more: Any) -> dict[str, Any]:
        """Something that happened: without an id, without a time."""
        body = {**self._names(printer), "eventType": kind, "eventStatus": status, **more}
        return self._post("/api/printer-events/report", body, query=self._keyed)

    def report_error(self, printer: LanPrinter, message: str, **more: Any) -> dict[str, Any]:
        """An error, by the other call."""
        body = {**self._names(printer), "eventType": "hms_error", "eventStatus": "failed", "message": message, **more}
        return self._post("/api/printer-events/error", body, query=self._keyed)

    def attach(self, event_id: str) -> dict[str, Any]:
        """The picture that belongs to an event."""
        url = f"{self._base_url}/api/printer-events/{event_id}/upload-image"
        files = {"image": ("snapshot.jpg", PICTURE, "image/jpeg")}
        return _body(self._session.post(url, params=self._keyed, files=files, timeout=30))

    def complete(self, printer: LanPrinter, *, success: bool) -> dict[str, Any]:
        """The end of what the printer had been started with."""
        printer.state = "FINISH" if success else "FAILED"
        job = self._jobs.get(printer.serial, {})
        body = {
            "productName": job.get("productName", "cube"),
            "printerSerial": printer.serial,
            "printerIpAddress": printer.address,
            "success": success,
            "printTimeSeconds": 61,
            "completedAt": _now(),
            "image": base64.b64encode(PICTURE).decode(),
        }
        if job.get("printJobId"):
            body["jobId"] = job["printJobId"]
        return self._post("/api/print-jobs/completed", body, query={"recipientId": self._recipient, **self._keyed})

    @property
    def _keyed(self) -> dict[str, str]:
        return {"apiKey": self._key}

    def _names(self, printer: LanPrinter) -> dict[str, Any]:
        return {
            "recipientId": self._recipient,
            "printerSerial": printer.serial,
            "printerIpAddress": printer.address,
        }

    def _route(self, command: Mapping[str, Any]) -> LanPrinter | None:
        """The printer that the command, or its metadata, names by one of three fields."""
        for place in (command, command.get("metadata") or {}):
            for name in ("printerSerial", "serial", "printerId"):
                for printer in self._printers:
                    if place.get(name) in (printer.serial, printer.local_name):
                        return printer
        return None

    def _run(self, command: Mapping[str, Any], printer: LanPrinter) -> dict[str, Any]:
        if command["commandType"] not in ("start_print", "start"):
            printer.do(command["commandType"])
            return {"success": True, "result": {"state": printer.state}, "error": None}
        metadata = command["metadata"]
        note = metadata.get("unencryptedData") or {}
        content = self._obtain(note["productId"], note.get("printJobId"), metadata["fileName"])
        if content is None:
            return {"success": False, "result": None, "error": "the file could not be fetched"}
        printer.start(metadata["fileName"], content)
        self._jobs[printer.serial] = note
        return {"success": True, "result": "print started", "error": None}

    def _obtain(self, product: str, job: str | None, name: str) -> bytes | None:
        """The file, from its disk or from the cloud; the two calls that need no key tell the cloud."""
        kept = self._disk / name
        body = {
            "status": "hasFile" if kept.exists() else "needsFile",
            "recipientId": self._recipient,
            "printJobId": job,
            "handshakeMessage": f"client {self.VERSION}",
        }
        agreed = self._post(f"/products/{product}/handshake", body)
        assert agreed["decision"], agreed
        if agreed["fetchToken"]:
            fetched = self._get(f"/fetch/{agreed['fetchToken']}", mode=agreed["fetchMode"])
            if agreed["downloadRequired"]:
                (self._disk / agreed["originalFilename"]).write_bytes(base64.b64decode(fetched["data"]))
        told = {
            "productId": product,
            "requestedMode": agreed["fetchMode"],
            "success": kept.exists(),
            "fileName": name,
            "lastRequestedAt": _now(),
        }
        named = {"printJobId": job} if job else {}
        self._post(f"/products/{product}/status", {**told, **named}, query={"recipientId": self._recipient})
        return kept.read_bytes() if kept.exists() else None

    def _remembered(self) -> list[str]:
        file = self._disk / "commands.json"
        found: list[str] = json.loads(file.read_text()) if file.exists() else []
        return found

    def _remember(self, command_id: str) -> None:
        (self._disk / "commands.json").write_text(json.dumps([*self._remembered(), command_id]))

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return _body(self._session.get(f"{self._base_url}{path}", params=query, timeout=30))

    def _post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return _body(self._session.post(f"{self._base_url}{path}", params=query, json=body, timeout=30))


def _body(answer: requests.Response) -> dict[str, Any]:
    assert answer.ok, f"{answer.request.method} {answer.request.path_url}: {answer.status_code} {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
