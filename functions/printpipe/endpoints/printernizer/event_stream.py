"""GET /api/v1/events: what happens, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.dialects.exchange import EventStream
from printpipe.endpoints import printernizer_live
from printpipe.endpoints.call import Call
from printpipe.services.live.changes import Marks, Told
from printpipe.services.live.hub import Attendance
from printpipe.services.live.reader import Ended

RETRY_MILLISECONDS = 3000
COMMENT_SECONDS = 15.0
"""After so much silence a comment shows that the stream goes on."""

_LOOK_SECONDS = 1.0

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Arguments(printernizer.Model):
    """The query."""

    printer_id: str | None = Field(None, description="only these printers' events; separated by commas")
    last_event_id: str | None = Field(None, description="as the header Last-Event-ID, for who cannot send one")


def get(call: Call, query: Arguments) -> EventStream:
    """The messages of the WebSocket, each as an event.

    At first, how every printer is and every job that has not ended. With `Last-Event-ID`, instead, what has changed
    since that event: nothing is missed, but of what changed several times the last alone is told. Any instance goes on
    where another one ended.
    """
    asked = call.request.headers.get("last-event-id") or query.last_event_id or ""
    attendance = Attendance(call.context, printernizer_live.names(query.printer_id), Marks.parse(asked))
    return EventStream(chunks=_Events(attendance, call.context.clock), headers=_HEADERS)


class _Events:
    """The stream's text, for as long as it lasts."""

    def __init__(self, attendance: Attendance, clock: Callable[[], datetime]) -> None:
        self._attendance, self._clock = attendance, clock
        self._ends_at = time.monotonic() + printernizer_live.LONGEST_SECONDS

    def __iter__(self) -> Iterator[str]:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        with suppress(Ended):  # the client comes again, and goes on where it was
            said_at = time.monotonic()
            while (now := time.monotonic()) < self._ends_at:
                told = self._attendance.next(_LOOK_SECONDS)
                chunk = self._event(told) if told else ": still here\n\n" if now - said_at >= COMMENT_SECONDS else ""
                said_at = now if chunk else said_at
                yield chunk

    def close(self) -> None:
        """Called by the server in any case."""
        self._attendance.leave()

    def _event(self, told: Told) -> str:
        message = printernizer_live.message(told.change, self._clock())
        return f"event: {message.type}\nid: {told.marks}\ndata: {message.model_dump_json()}\n\n"
