"""The functions as a caller meets them: behind the gateway, on one backend, over HTTP."""

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import requests

from local.messages import posted_event
from local.ports import free_port
from local.sample_print import make_3mf
from local.schedules import fire, post
from printpipe.domain.messages import TOPICS, Message
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Create, Document, Query, Where, Write
from printpipe.domain.records import Command
from printpipe.services.commands.messages import publish_command
from tests.backends import Backend

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 40.0
EFFECT_SECONDS = 20.0
TOPIC = "printer-commands"
sample_3mf = cache(make_3mf)
NO_MAIL: Mapping[str, str] = {
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": "9",
    "SMTP_SECURITY": "none",
    "SMTP_FROM": "printers@example.org",
}
"""A mail server that may be named, and that is out of reach."""

_UNOWNED = ("organizations", "claims")
"""Collections whose documents do not name their organization, or are the operator's to make."""
_FOLLOWED = ("hms_error", "hms_cleared")
_ENDS = ("completed", "failed", "cancelled")
_FLEETING = ("rate_limits", "socket_tickets", "processed_events")
"""Collections of what asking alone leaves behind for a while."""


@dataclass(frozen=True)
class Site:
    """One organization with a site of our agent and one of the LAN client, and a key for each."""

    organization: str
    agent_recipient: str
    agent_key: str
    lan_recipient: str
    lan_key: str
    organization_key: str


class Gateway:
    """The gateway in a process of its own, always on the same port with the same settings."""

    def __init__(self, environment: Mapping[str, str], port: int, log: Path) -> None:
        self._environment, self._port, self.log = environment, port, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and returns when it answers. AssertionError with its log's end where it does not."""
        command = [sys.executable, "-m", "local.gateway", "--port", str(self._port)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=self._environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"the gateway ended:\n{self._last_words()}"
            assert time.monotonic() < deadline, f"the gateway is not ready:\n{self._last_words()}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends it; may be called twice."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self._port}/", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def _last_words(self) -> str:
        return self.log.read_text()[-4000:]


class Cloud:
    """Every function on one port."""

    def __init__(self, base_url: str, backend: Backend, operator_key: str, gateway: Gateway, token_secret: str) -> None:
        self.base_url, self.backend, self.operator_key = base_url, backend, operator_key
        self._token_secret = token_secret
        self.log, self._gateway = gateway.log, gateway
        self._local = requests.Session()
        self._local.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=80)
        self._local.mount("http://", adapter)

    def call(
        self, method: str, path: str, *, key: str | None = None, token: str | None = None, **options: Any
    ) -> requests.Response:
        """One request; `key` goes into `X-API-Key`, `token` into `Authorization`."""
        headers = dict(options.pop("headers", None) or {})
        if key is not None:
            headers["X-API-Key"] = key
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        timeout = options.pop("timeout", 60)
        return self._local.request(method, f"{self.base_url}{path}", headers=headers, timeout=timeout, **options)

    def token(
        self, organization: str | None, role: str | None = "operator", user: str | None = "user-1", **more: Any
    ) -> str:
        """A bearer token of a user, good for ten minutes; None leaves a claim out."""
        claims = {"userId": user, "organizationId": organization, "role": role, "exp": int(time.time()) + 600, **more}
        given = {name: claim for name, claim in claims.items() if claim is not None}
        return jwt.encode(given, self._token_secret, algorithm="HS256")

    def upload(
        self,
        recipient: str,
        product: str = "PROD-55",
        *,
        key: str | None = None,
        content: bytes | None = None,
        name: str = "model.3mf",
        **sample: Any,
    ) -> dict[str, Any]:
        """Uploads `content`, or else a small real 3MF; the answer's body."""
        if content is None:
            content = sample_3mf(sample.pop("title", "cube"), **{"layers": 3, "seconds": 60, **sample})
        answer = self.call(
            "POST",
            "/upload",
            key=key or self.operator_key,
            data={"recipientId": recipient, "productId": product},
            files={"file": (name, content, "model/3mf" if name.endswith(".3mf") else "text/plain")},
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def queue(self, recipient: str, command: str, metadata: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Queues a command as the operator; its id."""
        body = {"recipientId": recipient, "commandType": command, "metadata": dict(metadata or {}), **more}
        answer = self.call("POST", "/control", key=self.operator_key, json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["commandId"])

    def redeliver(self, command_id: str) -> None:
        """Publishes a command's message again, as its trigger does."""
        publish_command(self.backend.bus, Command.of(self.document(f"printer_commands/{command_id}")))

    def fire(self, function: str) -> None:
        """Gives a scheduled function a tick, and returns once it has answered. AssertionError where it failed."""
        try:
            fire(self.base_url, function)
        except RuntimeError as error:
            raise AssertionError(str(error)) from error

    def deliver(self, function: str, message: Message) -> None:
        """Gives a function that follows a topic a message, likewise."""
        event = posted_event(
            function, "local", message.TOPIC, message.content(), message.attributes(), uuid4().hex, datetime.now(UTC)
        )
        try:
            post(self.base_url, event)
        except RuntimeError as error:
            raise AssertionError(str(error)) from error

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Nothing answers, until the end of the block."""
        self._gateway.stop()
        try:
            yield
        finally:
            self._gateway.start()

    def document(self, path: str) -> Document:
        """A stored document."""
        found = self.backend.documents.get(path)
        assert found is not None, path
        return found

    def documents(self, collection: str, recipient: str, **fields: str) -> Sequence[Document]:
        """All of a recipient's documents in a collection that have these values."""
        wanted = {"recipientId": recipient, **fields}
        return self.backend.documents.query(Query(collection, [Where(name, "==", wanted[name]) for name in wanted]))

    def stored(self, organization: str) -> dict[str, Any]:
        """An organization's documents by path, but those of a while; of collections that name none all paths alone."""
        self.wait_for_effects(organization)
        found: dict[str, Any] = {}
        for collection in set(map(str, astuple(Collections()))).difference(_FLEETING):
            owned = [] if collection in _UNOWNED else [Where("organizationId", "==", organization)]
            for document in self.backend.documents.query(Query(collection, owned)):
                found[document.path] = dict(document.data) if owned else None
        return found

    def wait_for_effects(self, organization: str) -> None:
        """Returns when what follows from its events has been done, where the gateway delivers them."""
        deadline = time.monotonic() + EFFECT_SECONDS
        while self.backend.embedded and (late := self._undone(organization)):
            assert time.monotonic() < deadline, f"not done: {late}"
            time.sleep(0.02)

    def _undone(self, organization: str) -> list[str]:
        """Jobs that have ended and are not counted, files that are not read, errors that are not followed."""
        owned = [Where("organizationId", "==", organization)]
        found = {
            collection: self.backend.documents.query(Query(collection, owned))
            for collection in ("print_jobs", "statistics_entries", "files", "printer_events", "processed_events")
        }
        counted = {each.id for each in found["statistics_entries"] if each.data["counted"] is not None}
        ended = {each.id for each in found["print_jobs"] if each.data["status"] in _ENDS}
        due = {each.id for each in found["print_jobs"] if each.id in ended and each.data["deletedAt"] is None}
        unread = [each.id for each in found["files"] if each.data["readAt"] is None and each.data["deletedAt"] is None]
        errors = [each.id for each in found["printer_events"] if each.data["eventType"] in _FOLLOWED]
        followed = [each.id for each in found["processed_events"] if each.data["consumer"] == "trigger-hms-followed"]
        return [*sorted(due ^ counted), *unread, *errors[len(followed) :]]

    def new_site(self) -> Site:
        """Another tenant, with two recipients and three keys."""
        mark = secrets.token_hex(5)
        organization, agent, lan = f"org-{mark}", f"site-{mark}", f"lan-{mark}"
        site = Site(
            organization, agent, secrets.token_urlsafe(24), lan, secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        )
        now = datetime.now(UTC)
        writes: list[Write] = [
            Create(f"organizations/{organization}", {"organizationId": organization, "name": mark, "createdAt": now})
        ]
        for recipient, client in ((agent, "agent"), (lan, "lan_client")):
            fields = {
                "recipientId": recipient,
                "organizationId": organization,
                "name": recipient,
                "client": client,
                "createdAt": now,
            }
            writes.append(Create(f"recipients/{recipient}", fields))
        keys = ((site.agent_key, [agent]), (site.lan_key, [lan]), (site.organization_key, None))
        writes += [key_document(key, organization, recipients, ["*"]) for key, recipients in keys]
        self.backend.documents.commit(*writes)
        return site

    def new_key(self, organization: str, recipients: list[str] | None, scopes: list[str]) -> str:
        """A key with these limits."""
        key = secrets.token_urlsafe(24)
        self.backend.documents.commit(key_document(key, organization, recipients, scopes))
        return key


def key_document(key: str, organization: str, recipients: list[str] | None, scopes: list[str]) -> Create:
    """The write that makes a text a key with these limits."""
    fields = {
        "organizationId": organization,
        "recipientIds": recipients,
        "scopes": scopes,
        "name": "test",
        "createdAt": datetime.now(UTC),
        "revokedAt": None,
    }
    return Create(f"api_keys/{hashlib.sha256(key.encode()).hexdigest()}", fields)


@contextmanager
def running(backend: Backend, folder: Path, **settings: str) -> Iterator[Cloud]:
    """The gateway in a process of its own, over this backend."""
    token_secret = secrets.token_urlsafe(32)
    operator_key, port, log = secrets.token_urlsafe(24), free_port(), folder / "gateway.log"
    for topic in TOPICS:
        backend.create_topic(topic)
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")},
        "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
        **backend.environment,
        "API_KEYS_PRINTER_STATUS": operator_key,
        "FETCH_TOKEN_SECRET": secrets.token_urlsafe(32),
        "JWT_SECRET": token_secret,
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "FIRESTORE_INDEXES": str(ROOT / "firestore.indexes.json"),
        **NO_MAIL,
        **settings,
    }
    gateway = Gateway(environment, port, log)
    try:
        gateway.start()
        yield Cloud(f"http://127.0.0.1:{port}", backend, operator_key, gateway, token_secret)
    finally:
        gateway.stop()
