"""The cloud over HTTPS: every call has a deadline, and every answer is either good, a refusal or no answer."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urljoin

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.filepost import encode_multipart_formdata

from edge_agent import routes, tracing, transfer
from edge_agent.command import Beat, Claim, Command, ListedPrinter, TransferAnswer, UploadTarget
from edge_agent.config import AgentConfig
from edge_agent.logs import log
from edge_agent.timestamps import parse

EVENTS_PATH = "/api/printer-events/report"
UPLOAD_ANSWER_SECONDS = 120.0
RETRIED_STATUSES = frozenset({401, 403, 408, 425, 429})
"""4xx that may pass later: the key can be mended, the load can go."""


class CloudError(Exception):
    """Base of what a call can end in besides an answer."""


class CloudUnavailable(CloudError):
    """No usable answer: try again later. `status` is None without an HTTP answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class CloudFailed(CloudUnavailable):
    """The cloud itself answered 5xx: down for now, or it cannot digest this one call."""


class CloudRefused(CloudError):
    """The cloud will answer the same again. `detail` is the error's short reason, where it gives one."""

    def __init__(self, status: int, detail: str, message: str) -> None:
        super().__init__(f"{status} {detail or message}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What the cloud says to one of several status reports: why it is `refused`, and whether that may pass."""

    refused: str | None
    may_pass: bool = False

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Self:
        """The answer within the cloud's."""
        error = result.get("error")
        if error is None:
            return cls(None)
        return cls(str(error.get("message")), error.get("error_type") == "UnavailableError")


@dataclass(frozen=True, slots=True)
class Contact:
    """What came of the latest call: whether the cloud answered, and what is wrong, for the operator."""

    reachable: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Way:
    """How the cloud is called; one object, so that no call goes to one cloud with the key of another."""

    base: str
    routing: routes.Routing
    headers: Mapping[str, str] = field(repr=False)
    timeout: float

    @classmethod
    def of(cls, config: AgentConfig) -> Self:
        headers = {"X-API-Key": config.api_key, "User-Agent": "printpipe-edge-agent"}
        return cls(config.backend_url, config.routing, headers, config.timing.http_timeout)


class Cloud:
    """The agent's calls. Thread-safe; raises CloudUnavailable and CloudRefused alone."""

    def __init__(self, config: AgentConfig, agent_id: str) -> None:
        self.contact: Contact | None = None
        """None before the first call."""
        self._way = _Way.of(config)
        self._recipient = config.recipient_id
        self._agent_id = agent_id
        self._pool = urllib3.PoolManager(num_pools=4, maxsize=4, retries=False, socket_options=transfer.SOCKET_OPTIONS)

    def reconfigure(self, config: AgentConfig) -> None:
        """Call as this configuration says from the next call on; the recipient stays."""
        self._way = _Way.of(config)

    def claim(self, command: Command, fence: int | None, timeout: float | None = None) -> Claim:
        """Claim the command, or renew the claim that `fence` names. A 409 is CloudRefused with the detail.

        `timeout` (s) is for a claim that is more urgent than other calls.
        """
        body: dict[str, object] = {
            "commandId": command.command_id,
            "recipientId": self._recipient,
            "printerSerial": command.printer_serial,
            "status": "processing",
            "agentId": self._agent_id,
        }
        if fence is not None:
            body["fence"] = fence
        answer = self._call("POST", "/control/ack", body=body, request_id=command.request_id, timeout=timeout)
        try:
            return Claim.model_validate(answer)
        except ValueError as error:
            raise CloudUnavailable(f"the answer to the claim cannot be read: {error}") from None

    def pending(self, wait: float) -> list[Mapping[str, Any]]:
        """Up to 25 commands, leased to this agent; held open for `wait` seconds while there is none."""
        query = {
            "recipientId": self._recipient,
            "claim": "true",
            "wait": f"{wait:g}",
            "agentId": self._agent_id,
            "limit": "25",
        }
        answer = self._call("GET", "/control?" + urlencode(query), timeout=wait + self._timeout)
        commands = answer.get("commands")
        return [item for item in commands if isinstance(item, dict)] if isinstance(commands, list) else []

    def report(self, path: str, body: Mapping[str, Any], request_id: str) -> None:
        """POST one report; agent and recipient are filled in."""
        self._call("POST", path, body={**body, "recipientId": self._recipient}, request_id=request_id)

    def event(self, body: Mapping[str, Any], request_id: str = "") -> str:
        """POST one event; the id by which the cloud has it: its picture is sent under that."""
        answer = self._call("POST", EVENTS_PATH, body={**body, "recipientId": self._recipient}, request_id=request_id)
        return str(answer.get("eventId") or body.get("eventId"))

    def picture(self, event_id: str, jpeg: bytes) -> None:
        """POST the picture of an event; the id is the cloud's. 404 is CloudRefused: there is no such event."""
        content, content_type = encode_multipart_formdata({"image": ("image.jpg", jpeg, "image/jpeg")})
        path = f"/api/printer-events/{quote(event_id, safe='')}/upload-image"
        self._call("POST", path, content=(content, content_type), timeout=UPLOAD_ANSWER_SECONDS)

    def statuses(self, bodies: Sequence[Mapping[str, Any]]) -> list[StatusAnswer]:
        """POST the status of several printers at once; one answer for each, in their order."""
        answer = self._call(
            "POST", "/api/printer-status/batch", body={"recipientId": self._recipient, "printers": list(bodies)}
        )
        try:
            results = [StatusAnswer.of(each) for each in answer["results"]]
        except (KeyError, TypeError, AttributeError):
            results = []
        if len(results) != len(bodies):
            raise CloudUnavailable("the answer to the status reports cannot be read")
        return results

    def heartbeat(self, version: str) -> datetime | None:
        """Say that the agent is there, and which version it is; the cloud's time, where it tells it."""
        body = {"recipientId": self._recipient, "clientVersion": version}
        answer = self._call("POST", "/api/heartbeat", body=body)
        try:
            return Beat.model_validate(answer).server_time
        except ValueError as error:
            raise CloudUnavailable(f"the answer to the heartbeat cannot be read: {error}") from None

    def result(self, body: Mapping[str, Any], request_id: str) -> None:
        """POST one command's result."""
        self.report("/control/result", {**body, "agentId": self._agent_id}, request_id)

    def fetch(self, token: str) -> Mapping[str, Any]:
        """Use up the fetch token. 410 (used, expired) and 404 (forged) are CloudRefused."""
        return self._call("GET", "/fetch/" + quote(token, safe=""), timeout=max(60.0, self._timeout), keyless=True)

    def download(self, url: str, target: Path, size: int, check: Callable[[], None]) -> None:
        """Bring `target` to the `size` bytes that `url` gives, from where it ends on; `check` may raise in between.

        Raises OSError where this machine's disk does not take them.
        """
        try:
            transfer.receive(self._pool, urljoin(self._base + "/", url), target, size, check)
        except transfer.NotGiven as error:
            raise CloudUnavailable(str(error), error.status) from None
        except HTTPError as error:
            raise CloudUnavailable(f"download: {error}") from None

    def pubsub_token(self) -> tuple[str, datetime]:
        """A token for the site's own subscriptions, and when it ends; CloudUnavailable where there is none."""
        answer = self._call("POST", "/api/agent/pubsub-token", body={"recipientId": self._recipient})
        given = answer.get("pubsub")
        if given is None:
            raise CloudUnavailable("the cloud has no Pub/Sub")
        try:
            return str(given["accessToken"]), parse(given["expiresAt"])
        except (KeyError, TypeError, ValueError):
            raise CloudUnavailable("the answer with the Pub/Sub token cannot be read") from None

    def printers(self) -> list[ListedPrinter]:
        """The site's printers as the cloud knows them, with their access codes."""
        answer = self._call("GET", "/api/agent/printers?" + urlencode({"recipientId": self._recipient}))
        try:
            return [ListedPrinter.model_validate(each) for each in answer["printers"]]
        except (KeyError, TypeError, ValueError):
            raise CloudUnavailable("the list of printers cannot be read") from None

    def transfer_progress(
        self, transfer_id: str, body: Mapping[str, Any], request_id: str, timeout: float | None = None
    ) -> TransferAnswer:
        """Tell how far a transfer is. 404 and 409 are CloudRefused: it is not this command's any more."""
        answer = self._transfer_call(transfer_id, "progress", body, request_id, timeout)
        try:
            return TransferAnswer.model_validate(answer)
        except ValueError as error:
            raise CloudUnavailable(f"the answer to the progress cannot be read: {error}") from None

    def transfer_url(self, transfer_id: str, body: Mapping[str, Any], request_id: str) -> UploadTarget:
        """A fresh URL for the transfer's file. 404 and 409 as for the progress."""
        answer = self._transfer_call(transfer_id, "url", body, request_id, None)
        try:
            return UploadTarget.model_validate(answer)
        except ValueError as error:
            raise CloudUnavailable(f"the upload address cannot be read: {error}") from None

    def put(self, target: UploadTarget, source: Path, check: Callable[[], None]) -> None:
        """Send the whole file to the address; `check` is called in between and may raise.

        Raises CloudUnavailable for everything that is not a success: a fresh address may help.
        """
        headers = {name: value for name, value in target.headers.items() if name.lower() != "content-length"}
        url = urljoin(self._base + "/", target.upload_url)
        try:
            status = transfer.send(self._pool, target.method, url, headers, source, check, UPLOAD_ANSWER_SECONDS)
        except (HTTPError, OSError) as error:
            raise CloudUnavailable(f"upload: {type(error).__name__}") from None
        if status >= 300:
            raise CloudUnavailable(f"upload answered {status}", status)

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def _transfer_call(
        self, transfer_id: str, what: str, body: Mapping[str, Any], request_id: str, timeout: float | None
    ) -> Mapping[str, Any]:
        path = f"/api/agent/files/{quote(transfer_id, safe='')}/{what}"
        body = {**body, "recipientId": self._recipient, "agentId": self._agent_id}
        return self._call("POST", path, body=body, request_id=request_id, timeout=timeout)

    @property
    def _base(self) -> str:
        return self._way.base

    @property
    def _timeout(self) -> float:
        return self._way.timeout

    def _limits(self, read: float) -> urllib3.Timeout:
        return urllib3.Timeout(connect=min(5.0, self._timeout, read), read=read)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content: tuple[bytes, str] | None = None,
        request_id: str = "",
        timeout: float | None = None,
        keyless: bool = False,
    ) -> Mapping[str, Any]:
        """`content` is a body of another type than JSON, with that type."""
        way = self._way
        headers = {} if keyless else dict(way.headers)
        if request_id:
            headers["X-Request-Id"] = request_id
        if traceparent := tracing.here():
            headers["traceparent"] = traceparent
        if body is not None:
            content = json.dumps(body).encode(), "application/json"
        stream = None
        if content is not None:
            headers |= {"Content-Type": content[1], "Content-Length": str(len(content[0]))}
            stream = io.BytesIO(content[0])  # sent block by block, each with the whole time limit
        where = path.split("?", 1)[0] if not keyless else "/fetch"
        url = routes.address(way.base, way.routing, method, path)
        try:
            response = self._pool.request(
                method, url, body=stream, headers=headers, timeout=self._limits(timeout or way.timeout)
            )
        except (HTTPError, OSError) as error:
            self.contact = Contact(reachable=False, problem=f"{where}: {type(error).__name__}")
            raise CloudUnavailable(f"{where}: {type(error).__name__}") from None
        answer = _json_object(response.data)
        self.contact = _contact(response.status, answer, where)
        if response.status < 300:
            if answer is None:
                raise CloudUnavailable(f"{where}: the answer is not a JSON object", response.status)
            return answer
        detail, message = (str((answer or {}).get(name) or "") for name in ("detail", "message"))
        if response.status in (401, 403) and not keyless:
            log("api_key_refused", "ERROR", status=response.status, path=where, advice="check api_key, recipient_id")
        if "error_type" not in (answer or {}):
            raise CloudUnavailable(f"{where}: {response.status}, not from the cloud", response.status)
        if response.status >= 500:
            raise CloudFailed(f"{where}: {response.status} {message}", response.status)
        if response.status in RETRIED_STATUSES:
            raise CloudUnavailable(f"{where}: {response.status} {message}", response.status)
        raise CloudRefused(response.status, detail, message)


def _contact(status: int, answer: Mapping[str, Any] | None, where: str) -> Contact:
    """What an answer says of the cloud."""
    if answer is None or (status >= 300 and "error_type" not in answer):
        return Contact(reachable=False, problem=f"{where}: {status}, not from the cloud")
    if status in (401, 403):
        return Contact(reachable=True, problem=f"the API key is refused ({status})")
    return Contact(reachable=True, problem=f"{where}: {status}" if status >= 500 else None)


def _json_object(data: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
