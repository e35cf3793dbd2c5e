"""PrusaLink's HTTP: one connection for each request, the key with every one (protocol notes, section G)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from edge_agent.config import Timing

BLOCK = 64 * 1024
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of JSON; a folder of thousands of files has less."""
STALL_SECONDS = 30.0
"""How long the printer may take nothing more of a file while it writes to its drive."""
NOT_REACHABLE = "the printer is not reachable"
KEY_REFUSED = "the printer refuses the access code"


class LineFailed(Exception):
    """There is no usable answer; the message is for the operator."""


class NotReachable(LineFailed):
    """No connection was made: nothing was sent."""


class Broken(LineFailed):
    """The connection ended before the answer: what was asked for may have been done."""


class KeyRefused(LineFailed):
    """The printer does not take the key: nothing was done."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The printer's answer; `content` is {} where it is no JSON object."""

    status: int
    content: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        """Whether what was asked for was done."""
        return 200 <= self.status < 300

    @property
    def complaint(self) -> str:
        """What the printer says is wrong."""
        said = self.content.get("message") or self.content.get("text") or self.content.get("title")
        return f"{said} ({self.status})" if isinstance(said, str) else f"HTTP {self.status}"


class Line:
    """Requests to one printer. Thread-safe; every wait is bounded by `timing`."""

    def __init__(self, address: str, port: int, key: str, timing: Timing) -> None:
        self._address = address
        self._port = port
        self._key = key
        self._timing = timing

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
        answer_seconds: float | None = None,
    ) -> Answer:
        """One request; `path` is not encoded. Raises NotReachable, Broken, KeyRefused; of `body` whatever it raises."""
        with self._response(method, path, headers or {}, body, answer_seconds) as response:
            with _breaking():
                raw = response.read(LARGEST_ANSWER)
            return Answer(response.status, _object(raw))

    def get(self, path: str) -> Answer:
        """A GET, asked once more where the line broke."""
        try:
            return self.ask("GET", path)
        except Broken:
            return self.ask("GET", path)

    @contextmanager
    def download(self, path: str, headers: Mapping[str, str]) -> Iterator["Download"]:
        """A GET whose body is read by the caller. Raises as `ask`; the blocks raise Broken."""
        with self._response("GET", path, headers, None, None) as response:
            yield Download(response.status, response.headers.get("Content-Range", ""), _blocks(response))

    @contextmanager
    def _response(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] | None,
        answer_seconds: float | None,
    ) -> Iterator[BaseHTTPResponse]:
        stall = self._timing.connect_timeout if body is None else max(self._timing.connect_timeout, STALL_SECONDS)
        timeout = urllib3.Timeout(connect=stall, read=answer_seconds or self._timing.ack_timeout)
        sent = {"X-Api-Key": self._key, "Accept": "application/json", "Connection": "close", **headers}
        with urllib3.HTTPConnectionPool(self._address, self._port, retries=False, timeout=timeout) as pool:
            with _breaking():
                response = pool.request(method, quote(path), body=body, headers=sent, preload_content=False)
            try:
                if response.status in (401, 403):
                    raise KeyRefused(KEY_REFUSED)
                yield response
            finally:
                response.close()


@dataclass(frozen=True, slots=True)
class Download:
    """An answer whose body is still to be read."""

    status: int
    content_range: str
    blocks: Iterator[bytes]


@contextmanager
def _breaking() -> Iterator[None]:
    try:
        yield
    except (NewConnectionError, ConnectTimeoutError):
        raise NotReachable(NOT_REACHABLE) from None
    except (HTTPError, OSError) as error:
        raise Broken(f"the connection to the printer broke: {type(error).__name__}") from None


def _blocks(response: BaseHTTPResponse) -> Iterator[bytes]:
    with _breaking():
        yield from response.stream(BLOCK)


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
