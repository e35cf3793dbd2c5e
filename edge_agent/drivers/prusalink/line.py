"""PrusaLink's HTTP: the key or a digest of it with every request (protocol notes, section G)."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from urllib3.response import BaseHTTPResponse

from edge_agent.config import Timing
from edge_agent.drivers.base import LineBroken, StorageFailed
from edge_agent.drivers.polled import line
from edge_agent.drivers.polled.line import KEY_REFUSED, LARGEST_ANSWER, SHUT_OUT, Answer, NotAnswered
from edge_agent.drivers.polled.parts import part
from edge_agent.drivers.prusalink.digest import Digest

VERSION = "/api/version"


class Occupied(LineBroken):
    """409: another transfer is under way, or the file is being printed; both pass."""


class Line(line.Line):
    """Requests to one printer, whose paths are not encoded.

    Without a `username` the key itself goes along; with one it stays here, and a digest of it is sent.
    """

    key_advice = "its screen shows the right one under PrusaLink"

    def __init__(self, address: str, port: int, key: str, timing: Timing, username: str | None = None) -> None:
        headers = {"X-Api-Key": _in_header(key)} if username is None else {}
        super().__init__(address, port, headers, timing, _complaint)
        self._digest = None if username is None else Digest(username, key, time.monotonic)

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
        """One request. A `body` can be sent but once: it is kept back from a printer that does not let us in."""
        if body is not None and self._digest is not None and not self._digest.is_fresh:
            answer = self.ask("GET", VERSION)
            if answer.status in SHUT_OUT:
                return answer
        return super().ask(method, path, headers=headers, body=body, answer_seconds=answer_seconds, most=most)

    def refusal(self, status: int, complaint: str) -> StorageFailed:
        """A bad answer about a file, as the storage's failure."""
        message = f"the printer refused the file: {complaint}"
        match status:
            case 401 | 403:
                return StorageFailed("refused", KEY_REFUSED)
            case 409:
                return Occupied("interrupted", message)
            case 507:
                return StorageFailed("no_space", message)
            case _ if status >= 500:
                return StorageFailed("refused", message)
            case _:
                return super().refusal(status, complaint)

    @contextmanager
    def _response(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        answer_seconds: float | None,
    ) -> Iterator[BaseHTTPResponse]:
        uri = quote(path)
        with super()._response(method, uri, self._login(method, uri, headers), body, answer_seconds) as response:
            if response.status != 401 or not self._is_challenged(response):
                yield self._admitted(response)
                return
        if body is not None:
            raise NotAnswered("the printer asked for the login again; what was sent is lost", sent=True)
        with super()._response(method, uri, self._login(method, uri, headers), None, answer_seconds) as response:
            yield self._admitted(response)

    def _login(self, method: str, uri: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers, with the digest among them."""
        authorization = None if self._digest is None else self._digest.authorization(method, uri)
        return headers if authorization is None else {"Authorization": _in_header(authorization), **headers}

    def _is_challenged(self, response: BaseHTTPResponse) -> bool:
        """Whether another attempt, with the nonce that the printer gives, is worth while: nothing was done yet."""
        return self._digest is not None and self._digest.take(response.headers.get("WWW-Authenticate", ""))

    def _admitted(self, response: BaseHTTPResponse) -> BaseHTTPResponse:
        """The same, after a digest that did not help is forgotten."""
        if response.status in SHUT_OUT and self._digest is not None:
            self._digest.forget()
        return response


def _in_header(text: str) -> str:
    """Text that HTTP sends as UTF-8; it would send Latin-1, and refuse everything else."""
    return text.encode().decode("latin-1")


def _complaint(content: Any) -> object:
    told = part(content)
    return told.get("message") or told.get("text") or told.get("title")
