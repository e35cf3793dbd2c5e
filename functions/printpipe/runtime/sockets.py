"""WebSockets (RFC 6455) over the server's own connection, as a server of threads lends it to its application."""

import base64
import binascii
import errno
import hashlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from flask import Flask, Response
from flask import Request as FlaskRequest
from werkzeug.wsgi import ClosingIterator
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from printpipe.dialects.exchange import Socket, Upgrade
from printpipe.domain.errors import InvalidInput
from printpipe.domain.log import log

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SEND_SECONDS = 10.0
"""How long a send may take before the other side counts as gone: it takes nothing, and must not hold a thread."""

MAX_MESSAGE_BYTES = 4096
"""Of what the other side may say at once."""

_PING_AFTER = 30.0
"""Seconds of silence; after two pings without a word the other side is gone."""

_SEND_BUFFER = 64 * 1024
"""Bytes that the system holds for a slow reader: as few as let a quick one keep up."""

_CLOSING_SECONDS = 2.0
_VERSION = "13"
_KEY_BYTES = 16
_KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_SERVERS = ("gunicorn.socket", "werkzeug.socket")
_LONGEST_REASON = 120
_WANTED = "printpipe.upgrade"


def admit(app: Flask) -> None:
    """Lets requests for WebSockets through to the function of this application, whose routes would refuse them."""
    inner = app.wsgi_app

    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ[_WANTED] = environ.pop("HTTP_UPGRADE", "")
        return inner(environ, start_response)

    app.wsgi_app = serve  # type: ignore[method-assign]  # as Flask's documentation has it


def check(request: FlaskRequest) -> None:
    """Raises `InvalidInput` for a request that does not open a WebSocket (RFC 6455, 4.2.1)."""
    named = {each.strip().lower() for each in request.headers.get("Connection", "").split(",")}
    if request.environ.get(_WANTED, "").lower() != "websocket" or "upgrade" not in named:
        raise InvalidInput("This path is for WebSockets: Connection: Upgrade, Upgrade: websocket")
    if request.headers.get("Sec-WebSocket-Version") != _VERSION:
        raise InvalidInput(f"Sec-WebSocket-Version must be {_VERSION}")
    try:
        key = base64.b64decode(request.headers.get("Sec-WebSocket-Key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise InvalidInput(f"Sec-WebSocket-Key must be {_KEY_BYTES} bytes in base64")


def upgrade(request: FlaskRequest, answer: Upgrade, headers: Mapping[str, str]) -> Response:
    """Shakes hands; while the server sends the answer, which has no end of its own, the two converse.

    The request was checked before. `converse` is called in any case, if only to learn that the other side is gone.
    """
    accepted = hashlib.sha1((request.headers["Sec-WebSocket-Key"] + _KEY_SUFFIX).encode()).digest()  # noqa: S324
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(accepted).decode(),
    }
    response = _Handshake(_Conversation(_lend(request), answer), answer.STATUS, {**headers, **handshake})
    response.headers.remove("Content-Type")
    return response


def stream(request: FlaskRequest, chunks: Iterable[str]) -> Iterable[str]:
    """The chunks of an answer that lasts, of which no send may take longer than `SEND_SECONDS`."""
    return _Stream(_lend(request), chunks)


def _lend(request: FlaskRequest) -> socket.socket:
    """The server's connection."""
    for name in _SERVERS:
        if name in request.environ:
            lent: socket.socket = request.environ[name]
            lent.settimeout(SEND_SECONDS)
            with suppress(OSError):
                lent.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                lent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            return lent
    raise RuntimeError("this server does not lend its connections")


class _Stream:
    """An answer's chunks; where they are not taken to the end, the connection is."""

    def __init__(self, lent: socket.socket, chunks: Iterable[str]) -> None:
        self._lent, self._chunks = lent, chunks
        self._finished = False

    def __iter__(self) -> Iterator[str]:
        for chunk in self._chunks:
            if chunk:
                yield chunk
            elif _is_gone(self._lent):
                return
        self._finished = True

    def close(self) -> None:
        """Called by the server in any case."""
        if close := getattr(self._chunks, "close", None):
            close()
        if not self._finished:
            _hang_up(self._lent)


def _is_gone(lent: socket.socket) -> bool:
    """Whether the other side has ended the connection."""
    try:
        return _has_come(lent, 0) and lent.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _has_come(lent: socket.socket, seconds: float) -> bool:
    """Whether there is anything to read, if only the end. Raises `OSError` where the connection is closed."""
    poll = select.poll()
    try:
        poll.register(lent, select.POLLIN)
    except ValueError:
        raise OSError(errno.EBADF, "the connection is closed") from None
    return bool(poll.poll(seconds * 1000))


def _hang_up(lent: socket.socket) -> None:
    """Ends the connection at once: the server would wait for the other side to do so, in the thread that accepts."""
    with suppress(OSError):
        lent.shutdown(socket.SHUT_RDWR)


class _Handshake(Response):
    """An answer after which the connection is no longer HTTP's."""

    def get_app_iter(self, environ: "WSGIEnvironment") -> Iterable[bytes]:
        """The conversation, which the status would otherwise leave out."""
        return ClosingIterator(self.iter_encoded(), self.close)


class _Conversation:
    """The answer's body: its first part has the server send the headers, its second is the conversation itself."""

    def __init__(self, lent: socket.socket, answer: Upgrade) -> None:
        self._channel, self._answer = Channel(lent), answer
        self._conversed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b""
        self._converse()
        # Nothing more of this connection is HTTP: the server drops it, as it does any that was reset.
        raise ConnectionResetError(errno.ECONNRESET, "the WebSocket has ended")

    def close(self) -> None:
        """Called by the server in any case."""
        if not self._conversed:
            self._channel.hang_up()
            self._converse()

    def _converse(self) -> None:
        self._conversed = True
        try:
            self._answer.converse(self._channel)
        except ConnectionError:
            return
        finally:
            self._channel.close(CloseReason.NORMAL_CLOSURE, "")
            self._channel.hang_up()


class Channel(Socket):
    """An open WebSocket. One thread may send while another receives."""

    def __init__(self, lent: socket.socket) -> None:
        self._lent = lent
        self._frames = Connection(ConnectionType.SERVER)
        self._sending, self._receiving = threading.Lock(), threading.Lock()
        self._received: deque[str] = deque()
        self._partial = ""
        self._gone = False
        self._closed_at: float | None = None
        self._heard_at = time.monotonic()
        self._pinged = 0

    def send(self, text: str) -> None:
        """Sends a message. Raises `ConnectionError` where the other side is gone, or takes nothing for too long."""
        self._say(TextMessage(text))

    def receive(self, timeout: float) -> str | None:
        """The next message; None where none came in time. Raises `ConnectionError` where the other side is gone."""
        deadline = time.monotonic() + timeout
        while not self._received:
            now = time.monotonic()
            if self._gone or (self._closed_at is not None and now - self._closed_at > _CLOSING_SECONDS):
                raise ConnectionResetError("the WebSocket is closed")
            if now >= deadline:
                return None
            with self._receiving:
                if self._has_come(min(deadline - now, 1.0)):
                    self._take()
                    continue
            self._look_for_silence()
        return self._received.popleft()

    def close(self, code: int, reason: str) -> None:
        """Says goodbye, and hears the other side's out for a moment; may be called twice."""
        if self._closed_at is None and not self._gone:
            with suppress(ConnectionError):
                self._say(CloseConnection(code, reason[:_LONGEST_REASON]))
            self._closed_at = time.monotonic()
            with suppress(ConnectionError):
                while True:  # what came unread would have the system reset the connection, and the goodbye with it
                    self.receive(_CLOSING_SECONDS)

    def hang_up(self) -> None:
        """Ends the connection without a word."""
        self._gone = True
        _hang_up(self._lent)

    def _say(self, event: Event) -> None:
        with self._sending:
            if self._gone or self._closed_at is not None or self._frames.state is not ConnectionState.OPEN:
                raise ConnectionResetError("the WebSocket is closed")
            self._write(self._frames.send(event))

    def _write(self, data: bytes) -> None:
        """Sends all of it in time; a part alone leaves nothing that could be said any more."""
        try:
            self._lent.sendall(data)
        except OSError as error:
            self._gone = True
            if isinstance(error, TimeoutError):
                log("socket_stuck", seconds=SEND_SECONDS)
            raise ConnectionAbortedError("the other side takes nothing") from error

    def _has_come(self, seconds: float) -> bool:
        try:
            return _has_come(self._lent, seconds)
        except OSError:
            self._gone = True
            return False

    def _take(self) -> None:
        """Reads what has come, and answers what the protocol wants to have answered."""
        try:
            data = self._lent.recv(MAX_MESSAGE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._gone = True
            return
        self._heard_at, self._pinged = time.monotonic(), 0
        with self._sending:
            try:
                self._frames.receive_data(data)
                for event in self._frames.events():
                    self._hear(event)
            except ProtocolError:
                self._refuse(CloseReason.PROTOCOL_ERROR)

    def _hear(self, event: Event) -> None:
        match event:
            case TextMessage():
                self._partial += event.data
                if len(self._partial.encode()) > MAX_MESSAGE_BYTES:
                    self._refuse(CloseReason.MESSAGE_TOO_BIG)
                elif event.message_finished:
                    self._received.append(self._partial)
                    self._partial = ""
            case BytesMessage():
                self._refuse(CloseReason.UNSUPPORTED_DATA)
            case Ping():
                self._write(self._frames.send(event.response()))
            case CloseConnection():
                if self._frames.state is ConnectionState.REMOTE_CLOSING:
                    with suppress(ConnectionError):
                        self._write(self._frames.send(event.response()))
                self._gone = True

    def _refuse(self, code: CloseReason) -> None:
        """Ends it with a reason; what else has come is not read."""
        if self._frames.state is ConnectionState.OPEN:
            with suppress(ConnectionError):
                self._write(self._frames.send(CloseConnection(code)))
        self._gone = True

    def _look_for_silence(self) -> None:
        silence = time.monotonic() - self._heard_at
        if silence > _PING_AFTER * (self._pinged + 1):
            if self._pinged == 2:
                self._gone = True
                return
            self._pinged += 1
            if self._closed_at is None:
                self._say(Ping())
