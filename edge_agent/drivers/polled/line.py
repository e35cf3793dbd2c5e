"""HTTP to one printer: one connection for each request, the same headers with every one."""

import json
import time
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
LARGEST_ANSWER = 256 * 1024
"""Bytes of JSON: anybody may answer at the printer's address."""
LARGEST_LIST = 16 * 1024 * 1024
"""Bytes of JSON; a folder of thousands of files has less."""
ANSWER_SECONDS = 60.0
"""How long an answer may take from its beginning to its end."""
LONGEST_COMPLAINT = 300
SHUT_OUT = frozenset({401, 403})
"""Answers of a printer that does not let the agent in: nothing was done."""
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

    key_advice = ""
    """Where a person finds the right key."""

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
        most: int = LARGEST_ANSWER,
    ) -> Answer:
        """One request; `path` is encoded already, `most` is how many bytes of an answer are read.

        Raises NotAnswered, and whatever `body` raises.
        """
        with self._response(method, path, headers or {}, body, answer_seconds) as response:
            try:
                with _breaking():
                    content = _json(_read(response, most))
            except NotAnswered:
                if response.status not in SHUT_OUT:
                    raise
                content = None
            if 200 <= response.status < 300:
                return Answer(response.status, content)
            said = self._complaint(content)
            named = f"{said[:LONGEST_COMPLAINT]} ({response.status})" if said and isinstance(said, str) else None
            return Answer(response.status, content, named or f"HTTP {response.status}")

    def get(self, path: str, *, most: int = LARGEST_ANSWER) -> Answer:
        """A GET, asked once more where the line broke. Raises NotAnswered."""
        try:
            return self.ask("GET", path, most=most)
        except NotAnswered as error:
            if not error.sent:
                raise
            return self.ask("GET", path, most=most)

    def reach(self, path: str) -> Answer:
        """The answer to a GET, good or bad, of a printer that lets us in. Raises Unseen."""
        try:
            answer = self.get(path)
        except NotAnswered as error:
            raise Unseen(str(error)) from None
        if answer.status in SHUT_OUT:
            raise Unseen(KEY_REFUSED, "access_code_refused", self.key_advice)
        return answer

    def see(self, path: str) -> Any:
        """What a GET gives. Raises Unseen."""
        answer = self.reach(path)
        if not answer.is_good:
            raise Unseen(f"the printer does not tell its state: {answer.complaint}")
        return answer.content

    def order(self, method: str, path: str) -> Reply:
        """What becomes of a request that has an effect."""
        try:
            answer = self.ask(method, path)
        except NotAnswered as error:
            return Reply(Sending.UNANSWERED if error.sent else Sending.NOT_SENT, str(error))
        if answer.status in SHUT_OUT:
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
        seconds = self._timing.ftps_reply
        with _breaking_storage():
            answer = self.ask(method, path, headers=headers, body=body, answer_seconds=seconds, most=LARGEST_LIST)
        return self._content(answer)

    def listed(self, path: str) -> Any:
        """What a GET about files gives, asked once more where the line broke. Raises StorageFailed, LineBroken."""
        with _breaking_storage():
            answer = self.get(path, most=LARGEST_LIST)
        return self._content(answer)

    @contextmanager
    def download(self, path: str, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        """A GET whose body is read by the caller, block by block (`blocks`). Raises StorageFailed, LineBroken."""
        with _breaking_storage(), self._response("GET", path, headers, None, None) as response:
            if not 200 <= response.status < 300:
                raise self.refusal(response.status, f"HTTP {response.status}")
            yield response

    def refusal(self, status: int, complaint: str) -> StorageFailed:
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

    def _content(self, answer: Answer) -> Any:
        if not answer.is_good:
            raise self.refusal(answer.status, answer.complaint)
        return answer.content

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
                response = pool.request(
                    method, path, body=body, headers=sent, preload_content=False, decode_content=False, redirect=False
                )
            try:
                yield response
            finally:
                response.close()


def blocks(response: BaseHTTPResponse) -> Iterator[bytes]:
    """The body of a download. Raises LineBroken."""
    with _breaking_storage(), _breaking():
        yield from response.stream(BLOCK)


@contextmanager
def _breaking_storage() -> Iterator[None]:
    """No answer, as the storage's failure."""
    try:
        yield
    except NotAnswered as error:
        raise LineBroken("interrupted" if error.sent else "unreachable", str(error)) from None


@contextmanager
def _breaking() -> Iterator[None]:
    try:
        yield
    except (NewConnectionError, ConnectTimeoutError):
        raise NotAnswered("the printer is not reachable", sent=False) from None
    except (HTTPError, OSError) as error:
        raise NotAnswered(f"the connection to the printer broke: {type(error).__name__}", sent=True) from None


def _read(response: BaseHTTPResponse, most: int) -> bytes:
    """The answer as far as it is wanted. Raises TimeoutError for one that does not end."""
    content, until = bytearray(), time.monotonic() + ANSWER_SECONDS
    while len(content) < most and (block := response.read1(BLOCK)):
        content += block
        if time.monotonic() > until:
            raise TimeoutError
    return bytes(content)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"null")
    except (ValueError, RecursionError):
        return None
