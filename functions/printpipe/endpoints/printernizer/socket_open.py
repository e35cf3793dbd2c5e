"""GET /ws: what happens, over a WebSocket.

Messages are JSON: `{"type", "timestamp", "data"}`, where the type is `printer_status`, `job_update`, `file_update` or
`system_alert`, or `heartbeat` every 30 s. At first, how every printer is and every job that has not ended.
The client may send `{"action": "subscribe", "printer_ids": […]}`, after which it is told of these printers alone, and
`{"action": "unsubscribe"}`, after which it is told of all again; either is confirmed. What cannot be understood is
answered by a message of the type `error`. A client that reads too slowly is dropped (1013), and comes again.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.dialects.exchange import Socket, Upgrade, validate_json
from printpipe.domain.errors import InvalidInput
from printpipe.endpoints import printernizer_live
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_live import Message
from printpipe.services.live.hub import Attendance
from printpipe.services.live.reader import Ended

HEARTBEAT_SECONDS = 30.0

_GOING_AWAY, _BROKEN, _TOO_SLOW = 1001, 1011, 1013
"""RFC 6455, 7.4.1, and its registry: "going away", "internal error", "try again later"."""


class Arguments(printernizer.Model):
    """The query."""

    printer_id: str | None = Field(None, description="only these printers' messages; separated by commas")


class Wish(printernizer.Model):
    """What a client may say."""

    action: Literal["subscribe", "unsubscribe"]
    printer_ids: tuple[str, ...] | None = Field(None, max_length=printernizer_live.MOST_NAMES)


def get(call: Call, query: Arguments) -> Upgrade:
    """Opens a WebSocket, on which the messages come as things happen."""
    attendance = Attendance(call.context, printernizer_live.names(query.printer_id))
    return Upgrade(converse=_Conversation(attendance, call.context.clock))


class _Conversation:
    """One socket's: its own thread sends, another one hears what the client says."""

    def __init__(self, attendance: Attendance, clock: Callable[[], datetime]) -> None:
        self._attendance, self._clock = attendance, clock
        self._turn = threading.Lock()

    def __call__(self, socket: Socket) -> None:
        """Converses until either side has enough. Raises `ConnectionError`."""
        try:
            threading.Thread(target=self._hear, args=(socket,), name="socket-hearing", daemon=True).start()
            self._tell(socket)
        except Ended as ended:
            if ended.too_slow:
                socket.close(_TOO_SLOW, "too slow a reader")
            else:
                socket.close(_BROKEN, "interrupted: come again")
        finally:
            self._attendance.leave()

    def _tell(self, socket: Socket) -> None:
        now = time.monotonic()
        ends_at, beats_at = now + printernizer_live.LONGEST_SECONDS, now + HEARTBEAT_SECONDS
        while now < ends_at:
            told = self._attendance.next(max(0.0, beats_at - now))
            now = time.monotonic()
            with self._turn:
                if told and self._attendance.wants(told):
                    socket.send(printernizer_live.message(told.change, self._clock()).model_dump_json())
            if now >= beats_at:
                self._say(socket, "heartbeat", {})
                beats_at = now + HEARTBEAT_SECONDS
        socket.close(_GOING_AWAY, "come again")

    def _hear(self, socket: Socket) -> None:
        try:
            while True:
                text = socket.receive(HEARTBEAT_SECONDS)
                if text is not None:
                    self._heed(socket, text)
        except ConnectionError:
            self._attendance.leave()

    def _heed(self, socket: Socket, text: str) -> None:
        try:
            wish = validate_json(text.encode(), Wish)
            if wish.action == "subscribe" and not wish.printer_ids:
                raise InvalidInput("printer_ids: name at least one printer", field="printer_ids")
        except InvalidInput as error:
            self._say(socket, "error", {"code": "VALIDATION_ERROR", "message": error.message, "field": error.field})
            return
        printers = frozenset(wish.printer_ids or ()) if wish.action == "subscribe" else None
        with self._turn:  # nothing of the others comes behind the confirmation
            self._attendance.watch(printers)
            self._say(socket, f"{wish.action}d", {"printer_ids": sorted(printers) if printers else None})

    def _say(self, socket: Socket, kind: str, data: dict[str, Any]) -> None:
        socket.send(Message(type=kind, timestamp=self._clock(), data=data).model_dump_json())
