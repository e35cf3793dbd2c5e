"""PrusaLink's HTTP: one connection for each request, the key or a digest with every one (protocol notes, section G)."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from edge_agent.config import Timing
from edge_agent.drivers.prusalink.digest import Digest

VERSION = "/api/version"
BLOCK = 64 * 1024
LARGEST_ANSWER = 256 * 1024
"""Bytes of JSON: anybody may answer at the printer's address."""
LARGEST_LIST = 16 * 1024 * 1024
"""Bytes of JSON; a folder of thousands of files has less."""
ANSWER_SECONDS = 60.0
"""How long an answer may take from its beginning to its end."""
LONGEST_COMPLAINT = 300
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
        if not isinstance(said, str):
            return f"HTTP {self.status}"
        return f"{said[:LONGEST_COMPLAINT]} ({self.status})"


class Line:
    """Requests to one printer. Thread-safe; every wait is bounded by `timing`.

    Without a `username` the key itself goes along; with one it stays here, and a digest of it is sent.
    """

    def __init__(self, address: str, port: int, key: str, timing: Timing, username: str | None = None) -> None:
        self._address = address
        self._port = port
        self._key = key
        self._timing = timing
        self._digest = None if username is None else Digest(username, key, time.monotonic)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
        answer_seconds: float | None = None,
        most: int = LARGEST_ANSWER,
    ) -> Answer:
        """One request; `path` is not encoded, `most` is how many bytes of an answer are read.

        Raises NotReachable, Broken, KeyRefused; of `body` whatever it raises.
        """
        with self._response(method, path, headers or {}, body, answer_seconds) as response:
            with _breaking():
                raw = _read(response, most)
            return Answer(response.status, _object(raw))

    def get(self, path: str, *, most: int = LARGEST_ANSWER) -> Answer:
        """A GET, asked once more where the line broke."""
        try:
            return self.ask("GET", path, most=most)
        except Broken:
            return self.ask("GET", path, most=most)

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
        if body is not None and self._digest is not None and not self._digest.is_fresh:
            self.ask("GET", VERSION)
        with urllib3.HTTPConnectionPool(self._address, self._port, retries=False, timeout=timeout) as pool:
            response = self._sent(pool, method, path, headers, body)
            try:
                if response.status == 401 and self._is_challenged(response):
                    if body is not None:
                        raise Broken("the printer asked for the login again; what was sent is lost")
                    response.close()
                    response = self._sent(pool, method, path, headers, None)
                if response.status in (401, 403):
                    if self._digest is not None:
                        self._digest.forget()
                    raise KeyRefused(KEY_REFUSED)
                yield response
            finally:
                response.close()

    def _sent(
        self,
        pool: urllib3.HTTPConnectionPool,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] | None,
    ) -> BaseHTTPResponse:
        uri = quote(path)
        sent = {"Accept": "application/json", "Connection": "close", **self._login(method, uri), **headers}
        with _breaking():
            return pool.request(method, uri, body=body, headers=sent, preload_content=False, decode_content=False)

    def _login(self, method: str, uri: str) -> Mapping[str, str]:
        if self._digest is None:
            return {"X-Api-Key": _in_header(self._key)}
        authorization = self._digest.authorization(method, uri)
        return {} if authorization is None else {"Authorization": _in_header(authorization)}

    def _is_challenged(self, response: BaseHTTPResponse) -> bool:
        """Whether another attempt, with the nonce that the printer gives, is worth while: nothing was done yet."""
        return self._digest is not None and self._digest.take(response.headers.get("WWW-Authenticate", ""))


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


def _read(response: BaseHTTPResponse, most: int) -> bytes:
    """The answer as far as it is wanted. Raises TimeoutError for one that does not end."""
    content, until = bytearray(), time.monotonic() + ANSWER_SECONDS
    while len(content) < most and (block := response.read1(BLOCK)):
        content += block
        if time.monotonic() > until:
            raise TimeoutError
    return bytes(content)


def _in_header(text: str) -> str:
    """Text that HTTP sends as UTF-8; it would send Latin-1, and refuse everything else."""
    return text.encode().decode("latin-1")


def _blocks(response: BaseHTTPResponse) -> Iterator[bytes]:
    with _breaking():
        yield from response.stream(BLOCK)


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
