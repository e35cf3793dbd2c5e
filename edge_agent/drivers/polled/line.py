"""HTTP to one printer: one connection for each request, the same headers with every one."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from edge_agent.config import Timing
from edge_agent.drivers.base import LineBroken, StorageFailed
from edge_agent.drivers.polled.device import Reply, Sending, Unseen

BLOCK = 64 * 1024
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of JSON; a folder of thousands of files has less."""
KEY_REFUSED = "the printer refuses the access code"
STALL_SECONDS = 30.0
"""How long the printer may take nothing more of a file while it writes to its drive."""


class NotAnswered(Exception):
    """There is no answer; the message is for the operator. `sent`: what was asked for may have been done."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    """The printer's answer; `content` is None where it is no JSON."""

    status: int
    content: Any
    complaint: str = ""

    @property
    def is_good(self) -> bool:
        """Whether what was asked for was done."""
        return 200 <= self.status < 300


class Line:
    """Requests to one printer. Thread-safe; every wait is bounded by `timing`."""

    def __init__(
        self,
        address: str,
        port: int,
        headers: Mapping[str, str],
        timing: Timing,
        complaint: Callable[[Any], object] = lambda _content: None,
    ) -> None:
        """`headers` are sent with every request; `complaint` finds in a bad answer what is wrong."""
        self._address = address
        self._port = port
        self._headers = {"Accept": "application/json", "Connection": "close", **headers}
        self._timing = timing
        self._complaint = complaint

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        answer_seconds: float | None = None,
    ) -> Answer:
        """One request; `path` is encoded already. Raises NotAnswered, and whatever `body` raises."""
        with self._response(method, path, headers or {}, body, answer_seconds) as response:
            with _breaking():
                content = _json(response.read(LARGEST_ANSWER))
            if 200 <= response.status < 300:
                return Answer(response.status, content)
            said = self._complaint(content)
            return Answer(response.status, content, f"{said or 'HTTP'} ({response.status})")

    def see(self, path: str) -> Any:
        """What a GET gives; asked once more where the line broke. Raises Unseen."""
        try:
            try:
                answer = self.ask("GET", path)
            except NotAnswered as error:
                if not error.sent:
                    raise
                answer = self.ask("GET", path)
        except NotAnswered as error:
            raise Unseen(str(error)) from None
        if answer.status in (401, 403):
            raise Unseen(KEY_REFUSED, "access_code_refused")
        if not answer.is_good:
            raise Unseen(f"the printer does not tell its state: {answer.complaint}")
        return answer.content

    def order(self, method: str, path: str) -> Reply:
        """What becomes of a request that has an effect."""
        try:
            answer = self.ask(method, path)
        except NotAnswered as error:
            return Reply(Sending.UNANSWERED if error.sent else Sending.NOT_SENT, str(error))
        if answer.status in (401, 403):
            return Reply(Sending.SHUT_OUT, KEY_REFUSED)
        if answer.is_good:
            return Reply(Sending.TAKEN)
        return Reply(Sending.UNCLEAR if answer.status >= 500 else Sending.REFUSED, answer.complaint)

    def stored(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
    ) -> Any:
        """What a request about files gives. Raises StorageFailed, LineBroken, and whatever `body` raises."""
        try:
            answer = self.ask(method, path, headers=headers, body=body, answer_seconds=self._timing.ftps_reply)
        except NotAnswered as error:
            raise LineBroken("interrupted" if error.sent else "unreachable", str(error)) from None
        if not answer.is_good:
            raise refusal(answer.status, answer.complaint)
        return answer.content

    @contextmanager
    def download(self, path: str, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        """A GET whose body is read by the caller, block by block (`blocks`). Raises StorageFailed, LineBroken."""
        try:
            with self._response("GET", path, headers, None, None) as response:
                if not 200 <= response.status < 300:
                    raise refusal(response.status, f"HTTP {response.status}")
                yield response
        except NotAnswered as error:
            raise LineBroken("interrupted" if error.sent else "unreachable", str(error)) from None

    @contextmanager
    def _response(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        answer_seconds: float | None,
    ) -> Iterator[BaseHTTPResponse]:
        stall = self._timing.connect_timeout if body is None else max(self._timing.connect_timeout, STALL_SECONDS)
        timeout = urllib3.Timeout(connect=stall, read=answer_seconds or self._timing.ack_timeout)
        sent = {**self._headers, **headers}
        with urllib3.HTTPConnectionPool(self._address, self._port, retries=False, timeout=timeout) as pool:
            with _breaking():
                response = pool.request(method, path, body=body, headers=sent, preload_content=False, redirect=False)
            try:
                yield response
            finally:
                response.close()


def blocks(response: BaseHTTPResponse) -> Iterator[bytes]:
    """The body of a download. Raises LineBroken."""
    try:
        with _breaking():
            yield from response.stream(BLOCK)
    except NotAnswered as error:
        raise LineBroken("interrupted", str(error)) from None


def refusal(status: int, complaint: str) -> StorageFailed:
    """A bad answer about a file, as the storage's failure."""
    match status:
        case 404:
            return StorageFailed("not_found", "the printer has no such file")
        case 507:
            return StorageFailed("no_space", f"the printer has no room for the file: {complaint}")
        case _ if status >= 500:
            return LineBroken("interrupted", f"the printer cannot do that now: {complaint}")
        case _:
            return StorageFailed("refused", f"the printer refused the file: {complaint}")


@contextmanager
def _breaking() -> Iterator[None]:
    try:
        yield
    except (NewConnectionError, ConnectTimeoutError):
        raise NotAnswered("the printer is not reachable", sent=False) from None
    except (HTTPError, OSError) as error:
        raise NotAnswered(f"the connection to the printer broke: {type(error).__name__}", sent=True) from None


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"null")
    except (ValueError, RecursionError):
        return None
