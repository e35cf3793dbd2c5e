"""Our agent at a site, as far as it looks after printers' storage, played over HTTP."""

import hashlib
import secrets
from typing import Any

import requests

from printpipe.domain.ids import printer_file_id
from printpipe.domain.ports.documents import Delete
from tests.cloud import Cloud, Site

AGENT = "agent-1"

Json = dict[str, Any]


class StorageAgent:
    """One agent of the site; `agent` is what it calls itself."""

    def __init__(self, cloud: Cloud, site: Site, agent: str = AGENT) -> None:
        self.cloud, self.site, self.agent = cloud, site, agent
        self.member = cloud.token(site.organization)

    def printer(self, state: str = "idle", **fields: Any) -> Json:
        """A printer at the site that has been heard of."""
        serial = f"01P{secrets.token_hex(6).upper()}"
        entry = {"recipient_id": self.site.agent_recipient, "name": serial, "serial": serial, **fields}
        printer = done(self.cloud.call("POST", "/api/printers", token=self.member, json=entry), 201)
        body = {"recipientId": printer["recipient_id"], "printerSerial": serial, "status": {"state": state}}
        done(self.cloud.call("POST", "/printer-status", key=self.site.organization_key, json=body))
        return printer

    def claim(self, kind: str | None = None) -> list[Json]:
        """What it is given; with a `kind`, the one command that waits is of that."""
        path = f"/control?recipientId={self.site.agent_recipient}&claim=true&agentId={self.agent}"
        given: list[Json] = done(self.cloud.call("GET", path, key=self.site.agent_key))["commands"]
        assert kind is None or [each["commandType"] for each in given] == [kind], given
        return given

    def result(self, command: Json, status: str = "completed", **more: Any) -> requests.Response:
        """Tells how a command ended."""
        said = {**self.lease(command), "status": status, **more}
        return self.cloud.call("POST", "/control/result", key=self.site.agent_key, json=said)

    def lease(self, command: Json) -> Json:
        """Under what it works."""
        names = {"commandId": command["commandId"], "fence": command["fence"], "agentId": self.agent}
        return {"recipientId": self.site.agent_recipient, **names}

    def progress(self, command: Json, count: int, state: str = "copying", **more: Any) -> requests.Response:
        """Tells how far a transfer is."""
        said = {"attempt": 1, "total": None, **self.lease(command), "bytes": count, "state": state, **more}
        return self._about(command, "progress", said, more.pop("key", None))

    def way(self, command: Json, content: bytes, **more: Any) -> requests.Response:
        """Asks where to put a file."""
        said = {**self.lease(command), **sums(content), "contentType": "model/3mf", **more}
        return self._about(command, "url", said)

    def deliver(self, command: Json, content: bytes) -> requests.Response:
        """Puts a file into the cloud, and says that it is there."""
        opened = done(self.way(command, content))
        put = requests.put(opened["uploadUrl"], data=content, headers=opened["headers"], timeout=10)
        assert put.ok, put.text
        return self.arrived(command, content)

    def arrived(self, command: Json, content: bytes, **more: Any) -> requests.Response:
        """Says that a file is there."""
        return self.progress(command, len(content), "done", **{**sums(content), **more})

    def listing(self, printer: Json, *files: Json) -> None:
        """What lies on a printer, from now on, as if it had been listed."""
        self.order_listing(printer)
        (command,) = self.claim("list_files")
        done(self.result(command, result={"files": list(files), "truncated": False}))

    def order_listing(self, printer: Json) -> None:
        """Somebody looks at the files, longer than a minute after the last time."""
        self.forget_listing(printer)
        done(self.cloud.call("GET", "/api/v1/files", token=self.member))

    def forget_listing(self, printer: Json) -> None:
        """As if no list had been asked for lately."""
        backend = self.cloud.backend.documents
        stale = [f"printer_storages/{printer['id']}"]
        stale += [
            each.path
            for each in self.cloud.documents("printer_commands", self.site.agent_recipient)
            if each.data["type"] == "list_files" and each.data["printerId"] == printer["id"]
        ]
        backend.commit(*[Delete(path) for path in stale])

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """A member's call about files."""
        return self.cloud.call(method, f"/api/v1/files/{path}", **{"token": self.member, **options})

    def download(self, file_id: str, **options: Any) -> Json:
        """A member wants a printer's file in the cloud."""
        return done(self.ask("POST", f"{file_id}/download", **options), 202)

    def status(self, file_id: str) -> Json:
        """How far the last download is."""
        return done(self.ask("GET", f"{file_id}/download/status"))

    def _about(self, command: Json, what: str, said: Json, key: str | None = None) -> requests.Response:
        path = f"/api/agent/files/{command['metadata']['transferId']}/{what}"
        return self.cloud.call("POST", path, key=key or self.site.agent_key, json=said)


def found(path: str, size: int, modified_at: str | None = "2025-09-03T10:00:00Z") -> Json:
    """A file in a list."""
    return {"path": path, "name": path.rpartition("/")[2], "size": size, "modifiedAt": modified_at}


def id_of(printer: Json, path: str) -> str:
    """What a printer's file is called."""
    return printer_file_id(str(printer["id"]), path)


def sums(content: bytes) -> Json:
    """What a file's bytes must be."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "md5": md5}


def done(answer: requests.Response, status: int = 200) -> Json:
    """The body of a call that worked."""
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    return body


def refused(answer: requests.Response, status: int, detail: str = "") -> Json:
    """The body of a call of the agent's that did not."""
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    assert detail in (body["detail"], ""), body
    return body


def trouble(answer: requests.Response, status: int, code: str) -> Json:
    """Why a member's call did not."""
    assert answer.status_code == status, answer.text
    told: Json = answer.json()["error"]
    assert told["code"] == code, told
    return told
