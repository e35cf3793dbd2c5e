"""What a printer reports, merged into a picture over each connection (protocol notes, sections A and C)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from edge_agent.drivers.bambu.merge import is_full, merge
from edge_agent.drivers.bambu.state import Picture, picture


def sections(payload: bytes | bytearray) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects in a message, by name; some printers send bytes that are no UTF-8. Raises ValueError and others."""
    message = json.loads(payload.decode("utf-8", errors="replace"))
    if isinstance(message, dict):
        for name, content in message.items():
            if isinstance(content, dict):
                yield name, content


class Reports:
    """The latest picture and when it came, in seconds of the monotonic clock. The session's lock covers it."""

    def __init__(self, now: float) -> None:
        self.picture = Picture()
        self.full_frames = 0
        self.last_frame = now
        self.last_inactive = float("-inf")
        self._raw: dict[str, Any] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether a full frame has come over the connection of now."""
        return self._raw is not None

    def begin(self, now: float) -> None:
        """A new connection: nothing is merged with what the one before brought."""
        self._raw = None
        self.last_frame = now

    def take(self, frame: Mapping[str, Any], now: float) -> bool | None:
        """Merge a frame; whether it makes the connection's first picture. None before the first full one."""
        self.last_frame = now
        raw = self._merged(frame)
        if raw is None:
            return None
        first = self._raw is None
        seen = picture(raw)
        self._raw, self.picture = raw, seen
        if is_full(frame):
            self.full_frames += 1
        if not seen.active:
            self.last_inactive = now
        return first

    def _merged(self, frame: Mapping[str, Any]) -> dict[str, Any] | None:
        if is_full(frame) and (self._raw is None or "msg" in frame):
            return dict(frame)
        return None if self._raw is None else merge(self._raw, frame)
