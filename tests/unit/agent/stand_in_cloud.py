"""A small cloud for a whole agent: hands out commands, takes results, and follows transfers as the contract has it."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar, overload

from edge_agent.timestamps import render
from tests.integration.agent_site import until

SITE = "site-1"
ANOTHER_LEASE = (409, {"ok": False, "error_type": "Conflict", "message": "another lease", "detail": "claimed"})


@dataclass
class Transfer:
    """What the agent said of one transfer, and the object that it put."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    urls: list[dict[str, Any]] = field(default_factory=list)
    content: bytes | None = None
    status: str = "copying"

    @property
    def attempts(self) -> list[int]:
        """The attempts, in order."""
        return sorted({report["attempt"] for report in self.reports})

    @property
    def states(self) -> set[str]:
        """The states that were reported."""
        return {report["state"] for report in self.reports}

    def most(self) -> int:
        """The most bytes that were reported."""
        return max((report["bytes"] for report in self.reports), default=0)

    def assert_never_backwards(self) -> None:
        """Within one attempt the bytes never become fewer, and attempts follow each other."""
        places = [(report["attempt"], report["bytes"]) for report in self.reports]
        assert places == sorted(places), places


class StandInCloud(ThreadingHTTPServer):
    """Answers the calls of one agent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.commands: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.transfers: dict[str, Transfer] = {}
        self.printers: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        """What happened at printers, in the order of its arrival."""
        self.pictures: dict[str, bytes] = {}
        """Of events, by the ids that the agent gave them."""
        self.fence = 1
        """Of every lease."""
        self.renumber_at = ""
        """With the next call of this name, as for `refusals`, the leases have lapsed and were handed out again."""
        self.traced: list[tuple[str, str]] = []
        """The last part of each call's path, and the `traceparent` that came with it."""
        self.keys: list[str] = []
        """The API key that came with each call."""
        self.refusals: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        """Answers that come before the right ones, by the last part of the path, or by the state in a progress."""

    @property
    def url(self) -> str:
        """The cloud's address."""
        return f"http://127.0.0.1:{self.server_port}"

    def order(self, kind: str, serial: str | None, **metadata: Any) -> str:
        """Queue a command; its id."""
        with self.lock:
            number = len(self.commands) + 1
            command = {
                "commandId": f"c-{number}",
                "recipientId": SITE,
                "printerId": "printer-1",
                "printerSerial": serial,
                "commandType": kind,
                "lane": "priority" if kind == "stop" else "normal",
                "sequence": number,
                "metadata": metadata,
                "createdAt": render(datetime.now(UTC)),
                "expiresAt": render(datetime.now(UTC) + timedelta(minutes=5)),
            }
            if "transferId" in metadata:
                self.transfers[metadata["transferId"]] = Transfer()
            self.commands[f"c-{number}"] = {**command, "fence": 0, "leased": 0.0}
            return f"c-{number}"

    def result(self, command_id: str, seconds: float = 30.0) -> dict[str, Any]:
        """The command's result, once it is here."""
        until(lambda: command_id in self.results, seconds, f"the result of {self.commands[command_id]}")
        return self.results[command_id]

    def completed(self, command_id: str, seconds: float = 30.0) -> dict[str, Any]:
        """The result's object of a command that must succeed."""
        told = self.result(command_id, seconds)
        assert told["status"] == "completed", told
        return dict(told.get("result") or {})

    def error_code(self, command_id: str) -> str:
        """The code with which a command failed."""
        told = self.result(command_id)
        assert told["status"] == "failed", told
        assert told["errorMessage"]
        return str(told["result"]["errorCode"])

    def refuse(self, last: str, status: int, times: int = 1, **body: Any) -> None:
        """Answer so to the next calls whose path ends so, or to such reports."""
        answer = {"ok": False, "error_type": "Refused", "message": "no", **body}
        with self.lock:
            self.refusals.setdefault(last, []).extend([(status, answer)] * times)

    def answer(self, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        last = path.rsplit("/", 1)[-1]
        with self.lock:
            body = json.loads(content) if content.startswith(b"{") and method == "POST" else {}
            if self.renumber_at and self.renumber_at in (last, body.get("state")):
                self.renumber_at, self.fence = "", self.fence + 1
            for name in (last, body.get("state", "")):
                if waiting := self.refusals.get(name):
                    return waiting.pop(0)
            if method == "PUT":
                self.transfers[last].content = content
                return 200, {"ok": True}
            match path.split("/")[1:]:
                case ["control"]:
                    return 200, {"ok": True, "commands": self._pending()}
                case ["control", "ack"]:
                    return self._claim(body)
                case ["control", "result"]:
                    self.results[body["commandId"]] = body
                    return 200, {"ok": True}
                case ["fetch", token]:
                    return 200, {"ok": True, "data": base64.b64encode(self.files[token]).decode()}
                case ["api", "agent", "printers"]:
                    return 200, {"ok": True, "printers": self.printers}
                case ["api", "printer-events", "report"]:
                    self.events.append(body)
                    return 201, {"ok": True, "eventId": f"ours-{body['eventId']}"}
                case ["api", "printer-events", event, "upload-image"]:
                    known = [each["eventId"] for each in self.events if f"ours-{each['eventId']}" == event]
                    if not known:
                        return 404, {"ok": False, "error_type": "NotFoundError", "message": "No such event"}
                    self.pictures[known[0]] = content[content.index(b"\r\n\r\n") + 4 : content.rindex(b"\r\n--")]
                    return 200, {"ok": True, "eventId": event}
                case ["api", "printer-status", "batch"]:
                    return 200, {"ok": True, "results": [{} for _ in body["printers"]]}
                case ["api", "agent", "files", transfer, "progress"]:
                    return self._progress(self.transfers[transfer], transfer, body)
                case ["api", "agent", "files", transfer, "url"]:
                    assert {"commandId", "fence", "agentId", "recipientId", "contentType"} <= body.keys()
                    if body["fence"] != self.fence:
                        return ANOTHER_LEASE
                    self.transfers[transfer].urls.append(body)
                    address = f"{self.url}/bucket/{transfer}"
                    return 200, {"ok": True, "uploadUrl": address, "method": "PUT", "headers": {"X-Signed": "1"}}
                case _:
                    return 200, {"ok": True}

    def _pending(self) -> list[dict[str, Any]]:
        now = time.monotonic()
        waiting = [
            command
            for command in self.commands.values()
            if command["commandId"] not in self.results and command["leased"] < now
        ]
        for command in waiting:
            command["leased"] = now + 60
        return [{key: value for key, value in command.items() if key != "leased"} for command in waiting]

    def _claim(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        command = self.commands[body["commandId"]]
        now = datetime.now(UTC)
        answer = {
            "ok": True,
            "fence": self.fence,
            "acknowledgedAt": render(now),
            "leaseUntil": render(now + timedelta(seconds=60)),
        }
        token = command["metadata"].get("fileId")
        if token:
            content = self.files[token]
            answer["file"] = {
                "fileId": token,
                "fileName": command["metadata"]["fileName"],
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "fetchToken": token,
            }
        return 200, answer

    def _progress(self, transfer: Transfer, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert {"recipientId", "commandId", "fence", "agentId", "attempt", "bytes", "total", "state"} <= body.keys()
        if body["fence"] != self.fence:
            return ANOTHER_LEASE
        transfer.reports.append(body)
        if body["state"] == "done":
            whole = transfer.content
            if whole is None or hashlib.sha256(whole).hexdigest() != body["sha256"] or len(whole) != body["size"]:
                return 409, {"ok": False, "error_type": "Conflict", "message": "another object", "detail": "sha256"}
            transfer.status = "completed"
        return 200, {"ok": True, "transferId": name, "status": transfer.status, "cancelled": False}


class _Handler(BaseHTTPRequestHandler):
    server: StandInCloud
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    """An answer goes out in one piece: the second of two would wait for the first one's acknowledgement."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.server.keys.append(self.headers.get("X-API-Key", ""))
        self.server.traced.append((path.rsplit("/", 1)[-1], self.headers.get("traceparent", "")))
        status, body = self.server.answer(self.command, path, content)
        if path == "/control" and status == 200 and not body["commands"]:
            time.sleep(0.05)
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


AnyCloud = TypeVar("AnyCloud", bound=StandInCloud)


@overload
def stand_in_cloud() -> AbstractContextManager[StandInCloud]: ...
@overload
def stand_in_cloud(kind: type[AnyCloud]) -> AbstractContextManager[AnyCloud]: ...
def stand_in_cloud(kind: type[StandInCloud] = StandInCloud) -> AbstractContextManager[StandInCloud]:
    """The cloud, as long as the context lasts."""
    return _served(kind)


@contextmanager
def _served(kind: type[StandInCloud]) -> Iterator[StandInCloud]:
    with kind() as cloud:
        threading.Thread(target=cloud.serve_forever, args=(0.01,), daemon=True).start()
        yield cloud
        cloud.shutdown()
