"""Enrolment: trades a one-use code for a key of this site's agent, and writes the configuration with it."""

import json
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from pydantic import BaseModel, Field, ValidationError
from pydantic.alias_generators import to_camel
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from edge_agent import VERSION, config_file, routes
from edge_agent.config import AgentConfig, ConfigError, check, is_loopback, read
from edge_agent.drivers import brands
from edge_agent.routes import Routing

PATH = "/api/v1/agents/enroll"
TIMEOUT = urllib3.Timeout(connect=10.0, read=30.0)

_ANOTHER = "have another code made, and use that"
_LOST = f"the code may be used up: where it is refused from now on, {_ANOTHER}"
_UNKNOWN: Mapping[str, Any] = {"api_key": "-", "recipient_id": "-"}
_LONGEST_NAME = 100
_NOT_SENT = (NewConnectionError, ConnectTimeoutError, SSLError)


class EnrolmentFailed(Exception):
    """There is no new key, and the configuration is as it was. The message is for the operator."""


class _Subscriptions(BaseModel, alias_generator=to_camel, hide_input_in_errors=True):
    project: str
    subscription_normal: str
    subscription_priority: str
    endpoint: str | None = None


class _Answer(BaseModel, alias_generator=to_camel, hide_input_in_errors=True):
    api_key: str = Field(min_length=1, repr=False)
    recipient_id: str = Field(min_length=1)
    organization_id: str
    pubsub: _Subscriptions | None = None

    def settings(self) -> Mapping[str, Any]:
        """What it says, as the configuration has it."""
        told = self.model_dump(exclude_none=True)
        return {**told, "pubsub": {**told["pubsub"], "credentials": "cloud"}} if self.pubsub else told


def enroll(url: str, code: str, path: Path, *, routing: Routing = "paths") -> AgentConfig:
    """The configuration as it is in `path` from now on, with mode 600.

    What the file said besides stays, as its printers and intervals; key, ids, Pub/Sub and address are replaced. What
    can be wrong with the file is found before the code is used up. Raises EnrolmentFailed.
    """
    path, base = path.expanduser(), url.strip().rstrip("/")
    _check_address(base)
    known = {name: brand.config for name, brand in brands.installed().items()}
    try:
        before = _before(path)
        check(_merged(before, base, routing, _UNKNOWN), path, known)
    except ConfigError as error:
        raise EnrolmentFailed(str(error)) from None
    _check_writable(path)
    content = _merged(before, base, routing, _trade(base, routing, code.strip()).settings())
    try:
        config_file.write(path, content)
        return check(content, path, known)
    except (OSError, ConfigError) as error:
        raise EnrolmentFailed(f"the key came, but {path} could not be written: {error}; {_ANOTHER}") from None


def _check_address(base: str) -> None:
    """The code is a secret: it goes over HTTPS, or nowhere."""
    try:
        parts = urlsplit(base)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.query or parts.fragment:
        raise EnrolmentFailed("the address of the cloud begins with https:// and has no user name, ? or #")
    if parts.scheme == "http" and not is_loopback(host):
        raise EnrolmentFailed("the address of the cloud must begin with https://")


def _before(path: Path) -> Mapping[str, Any]:
    """What the file holds. Raises ConfigError, also for one that others can read."""
    content = read(path) if path.exists() else {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: is not a JSON object")
    return content


def _merged(before: Mapping[str, Any], base: str, routing: Routing, told: Mapping[str, Any]) -> dict[str, Any]:
    replaced = ("backend_url", "routing", "api_key", "recipient_id", "organization_id", "pubsub")
    kept = {name: value for name, value in before.items() if name not in replaced}
    return {"backend_url": base, "routing": routing, **told, **kept}


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise EnrolmentFailed(f"{path} cannot be written: {error.strerror}") from None


def _trade(base: str, routing: Routing, code: str) -> _Answer:
    hostname = "".join(each for each in socket.gethostname() if each.isprintable())[:_LONGEST_NAME]
    body = {"code": code, "agentVersion": VERSION, "hostname": hostname}
    try:
        with urllib3.PoolManager(retries=False) as pool:
            response = pool.request(
                "POST",
                routes.address(base, routing, "POST", PATH),
                body=json.dumps(body).encode(),
                headers={"Content-Type": "application/json", "User-Agent": "printpipe-edge-agent"},
                timeout=TIMEOUT,
                redirect=False,
            )
    except (HTTPError, OSError) as error:
        silent = f"{base} does not answer ({type(error).__name__})"
        raise EnrolmentFailed(silent if isinstance(error, _NOT_SENT) else f"{silent}; {_LOST}") from None
    try:
        told = json.loads(response.data)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or (response.status >= 300 and "error_type" not in told):
        raise EnrolmentFailed(f"{base} is not PrintPipe's address: it answered {response.status}")
    if response.status >= 300:
        raise EnrolmentFailed(_refusal(response.status, str(told.get("message") or ""), str(told.get("detail") or "")))
    try:
        return _Answer.model_validate(told)
    except ValidationError:
        raise EnrolmentFailed(f"the answer of {base} cannot be read; {_LOST}") from None


def _refusal(status: int, message: str, detail: str) -> str:
    """What the cloud's refusal means for the operator."""
    if status == 404 and detail == "code":
        return f"the code is wrong, was used already, or is older than ten minutes: {_ANOTHER}"
    if status == 429:
        return "too many attempts from here: try again later"
    if status >= 500:
        return f"the cloud cannot do it now ({status}); {_LOST}"
    return f"{message} ({detail})" if detail else message or f"the cloud answered {status}"
