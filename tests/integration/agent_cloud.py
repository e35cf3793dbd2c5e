"""A small cloud in memory, over HTTP, for the agent's tests: commands, claims, files, reports, and Pub/Sub's pull."""

import base64
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

API_KEY = "key-of-the-site"
RECIPIENT = "site-1"
PROJECT = "demo-agent"
PRIORITY = frozenset({"stop", "cancel", "pause", "cooldown"})
TERMINAL = frozenset({"completed", "failed", "unknown", "expired", "cancelled"})


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class CloudCommand:
    """One command as the cloud has it."""

    command_id: str
    serial: str
    kind: str
    metadata: dict[str, Any]
    sequence: int
    created_at: datetime
    expires_at: datetime
    file: bytes | None
    file_name: str
    status: str = "pending"
    fence: int = 0
    agent_id: str | None = None
    lease_until: float = 0.0
    message: str = ""
    results: list[dict[str, Any]] = field(default_factory=list)
    claims: int = 0

    @property
    def lane(self) -> str:
        """The command's lane."""
        return "priority" if self.kind in PRIORITY else "normal"

    def wire(self) -> dict[str, Any]:
        """As Pub/Sub and GET /control carry it."""
        return {
            "schemaVersion": 1,
            "commandId": self.command_id,
            "organizationId": "org-1",
            "recipientId": RECIPIENT,
            "printerSerial": self.serial,
            "printerId": None,
            "printerIpAddress": None,
            "commandType": self.kind,
            "lane": self.lane,
            "sequence": self.sequence,
            "metadata": self.metadata,
            "createdAt": _iso(self.created_at),
            "expiresAt": _iso(self.expires_at),
            "requestId": f"req-{self.command_id}",
        }


@dataclass
class _Message:
    data: bytes
    command_id: str
    not_before: float = 0.0
    ack_id: str = ""


class AgentCloud:
    """The cloud. Knobs: `lease_seconds`, `ack_deadline`, `refuse_everything` (an HTTP status), `inline_files`,
    `files_ready` (cleared: a fetch is held)."""

    def __init__(self, *, lease_seconds: float = 60.0, ack_deadline: float = 2.0) -> None:
        self.lease_seconds = lease_seconds
        self.ack_deadline = ack_deadline
        self.refuse_everything: int | None = None
        self.inline_files = True
        self.files_ready = threading.Event()
        self.files_ready.set()
        self.commands: dict[str, CloudCommand] = {}
        self.events: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.fetches: list[str] = []
        self.refused_keys = 0
        self._tokens: dict[str, tuple[str, bool]] = {}
        self._queues: dict[str, list[_Message]] = {"normal": [], "priority": []}
        self._lock = threading.Condition()
        self._sequence = 0
        self._closing = False
        self._server = _server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.05), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def queue(
        self,
        kind: str,
        serial: str,
        metadata: dict[str, Any] | None = None,
        *,
        file: bytes | None = None,
        file_name: str = "cube.gcode.3mf",
        ttl: float = 600.0,
        publish: int = 1,
        sequence: int | None = None,
        command_id: str | None = None,
    ) -> str:
        """Queue a command and publish it `publish` times; its id."""
        now = datetime.now(UTC)
        with self._lock:
            self._sequence = max(self._sequence + 1, int(now.timestamp() * 1_000_000))
            data = dict(metadata or {})
            if kind == "start_print":
                data.setdefault("fileName", file_name)
            command = CloudCommand(
                command_id=command_id or f"cmd-{uuid.uuid4().hex[:12]}",
                serial=serial,
                kind=kind,
                metadata=data,
                sequence=sequence if sequence is not None else self._sequence,
                created_at=now,
                expires_at=now + timedelta(seconds=ttl),
                file=file,
                file_name=file_name,
            )
            self.commands[command.command_id] = command
        for _ in range(publish):
            self.publish(command.command_id)
        return command.command_id

    def publish(self, command_id: str) -> None:
        """Deliver the command's message (again)."""
        with self._lock:
            command = self.commands[command_id]
            data = json.dumps(command.wire()).encode()
            self._queues[command.lane].append(_Message(data, command_id))
            self._lock.notify_all()

    def wait(self, seen: Callable[[], bool], seconds: float = 20.0) -> bool:
        """Wait until `seen` holds; looked at whenever a request has been answered."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while not seen():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._lock.wait(min(left, 0.2))
            return True

    def ended(self, command_id: str, seconds: float = 20.0) -> CloudCommand:
        """The command, once it is in a terminal state; AssertionError after `seconds`."""
        command = self.commands[command_id]
        assert self.wait(lambda: command.status in TERMINAL, seconds), f"{command.kind} is still {command.status}"
        return command

    def event_kinds(self, serial: str, job: str | None = None) -> list[str]:
        """The types of the events that were reported, each id once, in order."""
        seen: dict[str, str] = {}
        for event in self.events:
            if event["printerSerial"] == serial and (job is None or event.get("printJobId") == job):
                seen.setdefault(event["eventId"], event["eventType"])
        return list(seen.values())

    def agent_config(self, printers: list[dict[str, Any]], state_dir: str, *, pubsub: bool = True) -> dict[str, Any]:
        """A configuration for an agent of this cloud."""
        config: dict[str, Any] = {
            "backend_url": self.url,
            "api_key": API_KEY,
            "recipient_id": RECIPIENT,
            "printers": printers,
            "state_dir": state_dir,
        }
        if pubsub:
            config["pubsub"] = {
                "project": PROJECT,
                "subscription_normal": "normal",
                "subscription_priority": "priority",
                "endpoint": self.url,
            }
        return config

    def answer(self, method: str, path: str, key: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """One request's answer."""
        parts = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/v1/projects/"):
            return self._pubsub(parts.path, body)
        if self.refuse_everything is not None:
            return self.refuse_everything, {"ok": False, "error_type": "Error", "message": "told to"}
        if parts.path.startswith("/fetch/"):
            return self._fetch(parts.path.removeprefix("/fetch/"))
        if key != API_KEY:
            self.refused_keys += 1
            return 401, {"ok": False, "error_type": "Unauthorized", "message": "wrong key"}
        handlers: dict[tuple[str, str], Callable[[], tuple[int, dict[str, Any]]]] = {
            ("POST", "/control/ack"): lambda: self._ack(body),
            ("GET", "/control"): lambda: self._control(query),
            ("POST", "/control/result"): lambda: self._result(body),
            ("POST", "/printer-status"): lambda: self._note(self.statuses, body, 200),
            ("POST", "/api/printer-events/report"): lambda: self._note(self.events, body, 201),
        }
        handler = handlers.get((method, parts.path))
        return handler() if handler else (404, {"ok": False, "message": "no such path"})

    def _pubsub(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        subscription, verb = path.rsplit("/", 1)[-1].split(":")
        queue = self._queues[subscription]
        with self._lock:
            if verb == "acknowledge":
                queue[:] = [message for message in queue if message.ack_id not in body["ackIds"]]
                return 200, {}
            deadline = time.monotonic() + 5.0
            while not self._closing and time.monotonic() < deadline:
                due = [message for message in queue if message.not_before <= time.monotonic()]
                if due:
                    return 200, {"receivedMessages": [self._deliver(message) for message in due[:10]]}
                self._lock.wait(0.1)
            return 200, {}

    def _deliver(self, message: _Message) -> dict[str, Any]:
        message.not_before = time.monotonic() + self.ack_deadline
        message.ack_id = uuid.uuid4().hex
        return {
            "ackId": message.ack_id,
            "message": {
                "data": base64.b64encode(message.data).decode(),
                "messageId": message.ack_id,
                "attributes": {"commandId": message.command_id, "recipient": RECIPIENT},
            },
        }

    def _claim(self, command: CloudCommand, agent_id: str) -> str | None:
        """Lease the command to the agent, or say why not."""
        now = time.monotonic()
        if command.status in TERMINAL:
            return command.status
        if datetime.now(UTC) >= command.expires_at:
            command.status = "expired"
            return "expired"
        alive = command.agent_id is not None and now < command.lease_until
        if alive and command.agent_id != agent_id:
            return "claimed"
        if not alive:
            command.fence += 1
        command.status, command.agent_id, command.lease_until = "processing", agent_id, now + self.lease_seconds
        command.claims += 1
        return None

    def _leased(self, command: CloudCommand) -> dict[str, Any]:
        now = datetime.now(UTC)
        answer = command.wire() | {
            "ok": True,
            "status": "processing",
            "acknowledgedAt": _iso(now),
            "fence": command.fence,
            "leaseUntil": _iso(now + timedelta(seconds=self.lease_seconds)),
        }
        if command.file is not None:
            token = uuid.uuid4().hex
            self._tokens[token] = (command.command_id, False)
            answer["file"] = {
                "fileId": f"file-{command.command_id}",
                "fileName": command.file_name,
                "size": len(command.file),
                "sha256": hashlib.sha256(command.file).hexdigest(),
                "md5": hashlib.md5(command.file).hexdigest(),
                "fetchToken": token,
            }
        return answer

    def _ack(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            command = self.commands.get(body["commandId"])
            if command is None:
                return 404, {"ok": False, "error_type": "NotFoundError", "message": "unknown command"}
            reason = self._claim(command, body["agentId"])
            if reason is not None:
                return 409, {"ok": False, "error_type": "ConflictError", "message": reason, "detail": reason}
            return 200, self._leased(command)

    def _control(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        deadline = time.monotonic() + float(query.get("wait", "0"))
        with self._lock:
            while True:
                free = [
                    command
                    for command in self.commands.values()
                    if command.status in ("pending", "processing") and time.monotonic() >= command.lease_until
                ]
                got = [self._leased(c) for c in free[:25] if self._claim(c, query["agentId"]) is None]
                if got or self._closing or time.monotonic() >= deadline:
                    return 200, {"ok": True, "commands": got}
                self._lock.wait(0.1)

    def _result(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            command = self.commands.get(body["commandId"])
            if command is None:
                return 404, {"ok": False, "message": "unknown command"}
            command.results.append(body)
            if command.status in TERMINAL and command.status != body["status"]:
                return 409, {
                    "ok": False,
                    "error_type": "ConflictError",
                    "message": "another end",
                    "detail": command.status,
                }
            command.status, command.message = body["status"], body.get("errorMessage") or body.get("message", "")
            return 200, {"ok": True}

    def _note(self, notes: list[dict[str, Any]], body: dict[str, Any], status: int) -> tuple[int, dict[str, Any]]:
        with self._lock:
            notes.append(body)
        return status, {"ok": True}

    def _fetch(self, token: str) -> tuple[int, dict[str, Any]]:
        raw = token.endswith(":raw")
        with self._lock:
            command_id, used = self._tokens.get(token.removesuffix(":raw"), ("", False))
            if not command_id:
                return 404, {"ok": False, "message": "forged"}
            content = self.commands[command_id].file or b""
            if raw:
                return 200, {"raw": content}
            if used:
                return 410, {"ok": False, "error_type": "GoneError", "message": "used"}
            self._tokens[token] = (command_id, True)
            self.fetches.append(command_id)
            self._lock.notify_all()
        self.files_ready.wait(20)
        if not self.inline_files:
            return 200, {"ok": True, "data": None, "downloadUrl": f"{self.url}/fetch/{token}:raw"}
        return 200, {"ok": True, "data": base64.b64encode(content).decode(), "downloadUrl": None}

    def notify(self) -> None:
        """Let the waiters look again."""
        with self._lock:
            self._lock.notify_all()


def _server(cloud: AgentCloud) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            if len(content) < length:
                self.close_connection = True
                return
            body = json.loads(content or b"{}")
            status, answer = cloud.answer(self.command, self.path, self.headers.get("X-API-Key"), body)
            content = answer["raw"] if "raw" in answer else json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except ConnectionError:
                self.close_connection = True
            cloud.notify()

        do_GET = do_POST = _handle

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """A killed agent leaves broken connections behind."""

    return Server(("127.0.0.1", 0), Handler)
