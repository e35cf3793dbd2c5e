"""What one process remembers between calls, so that it need not ask the store again.

All of it may be lost at any time, and other processes write as well: what is remembered only saves reads, and a
precondition on the write finds out what has changed since.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from printpipe.domain.ids import state_id
from printpipe.domain.ports.documents import Version
from printpipe.domain.printer_records import Sight
from printpipe.domain.printer_status import Gist

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """At most `size` values by name, the latest used; safe between threads."""

    def __init__(self, size: int = 5000) -> None:
        self._size = size
        self._values: OrderedDict[str, _T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> _T | None:
        """What is remembered under a name."""
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
            return self._values.get(name)

    def change(self, name: str, become: Callable[[_T | None], _T]) -> None:
        """Replaces what is remembered by what `become` makes of it, in one step."""
        with self._lock:
            self._values[name] = become(self._values.get(name))
            self._values.move_to_end(name)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def forget(self, name: str) -> None:
        """Removes it; nothing may be there."""
        with self._lock:
            self._values.pop(name, None)


@dataclass(frozen=True)
class LiveState:
    """The stored state of a printer in short. `faults` are those that its history has noted lately.

    `sight` is what it shows of the printer's work, and `former` the last that showed any, where it shows none;
    `shown_at` is when a report showed it last.
    """

    number: int
    reported_at: datetime
    sampled_at: datetime
    gist: Gist
    faults: frozenset[str]
    sight: Sight
    former: Sight | None
    shown_at: datetime | None


@dataclass(frozen=True)
class KnownPrinter:
    """A printer's document as it was last read or written here.

    `heard_at` is the time of its newest report, whether that changed anything or not; `checked_at` is when the document
    was read or written; `cleared_at` is when somebody said last that its plate is empty.
    """

    printer_id: str
    serial: str | None
    version: Version
    ip_address: str | None
    state: LiveState | None
    heard_at: datetime | None
    checked_at: datetime
    cleared_at: datetime | None = None

    @property
    def name(self) -> str:
        """What its present state is called: the printer and the state's number."""
        return state_id(self.printer_id, self.state.number if self.state else 0)

    def merged(self, before: "KnownPrinter | None") -> "KnownPrinter":
        """What to remember of the same printer's two: threads may come with theirs in any order."""
        if before is None or before.printer_id != self.printer_id:
            return self
        newer = before if before.state and (not self.state or self.state.number < before.state.number) else self
        heard = [each.heard_at for each in (before, self) if each.heard_at]
        return replace(newer, heard_at=max(heard, default=None))


@dataclass(frozen=True)
class Stray:
    """What the history got last from an address at which no printer is known."""

    update_id: str
    at: datetime
    gist: Gist


class Pace:
    """Lets something be done for each name once in a while; safe between threads."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._done: Recent[datetime] = Recent()
        self._lock = threading.Lock()

    def due(self, name: str, now: datetime) -> bool:
        """Whether it is time; the one that is told so is expected to do it."""
        with self._lock:
            done = self._done.get(name)
            if done is not None and now - done < self._every:
                return False
            self._done.change(name, lambda _: now)
            return True

    def undone(self, name: str) -> None:
        """It could not be done."""
        self._done.forget(name)


HEARTBEAT_EVERY = timedelta(seconds=120)


@dataclass(frozen=True)
class Memory:
    """Shared by every call of a process."""

    printers: Recent[KnownPrinter] = field(default_factory=Recent)
    strays: Recent[Stray] = field(default_factory=Recent)
    heartbeats: Pace = field(default_factory=lambda: Pace(HEARTBEAT_EVERY))
