"""One who looks on: what waits to be read, within bounds."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from printpipe.domain.log import log
from printpipe.domain.printer_records import Printer
from printpipe.services.live.changes import Change, Marks, Told

MOST_WAITING = 256
"""Changes that may wait for a reader; one more, and it is dropped."""


class Ended(Exception):
    """Nothing more comes: the reader was too slow, or what it reads cannot be followed any longer."""

    def __init__(self, *, too_slow: bool) -> None:
        super().__init__("too slow" if too_slow else "interrupted")
        self.too_slow = too_slow


class Reader:
    """Takes changes from the feed's threads and gives them to its own; one that was dropped holds nothing.

    It sees those of `sites` alone, None meaning all, and of printers that it watches.
    """

    def __init__(
        self,
        sites: frozenset[str] | None,
        printers: frozenset[str] | None,
        first: Sequence[Told],
        marks: Marks,
        leave: Callable[["Reader"], None],
    ) -> None:
        """`first` comes before everything else, however much it is; with its last the reader is told up to `marks`."""
        self._sites, self._printers, self._marks, self._leave = sites, printers, marks, leave
        self._first = deque(told for told in first if self._is_for_it(told.change))
        if self._first:
            self._first.append(replace(self._first.pop(), marks=marks))
        self._waiting: deque[Told] = deque()
        self._ended: Ended | None = None
        self._condition = threading.Condition()

    def put(self, change: Change) -> None:
        """Takes a change, unless it was told before."""
        with self._condition:
            if self._ended or not self._is_for_it(change):
                return
            if change.mark is not None:
                if change.place <= self._marks.of(change.source):
                    return
                self._marks = self._marks.raised(change.source, change.mark)
            if len(self._waiting) >= MOST_WAITING:
                self._end(Ended(too_slow=True))
                log("live_reader_dropped", organizationId=change.record.organization_id)
                return
            self._waiting.append(Told(change, self._marks))
            self._condition.notify()

    def next(self, timeout: float) -> Told | None:
        """The next change; None where none came within `timeout` seconds. Raises `Ended`."""
        with self._condition:
            self._condition.wait_for(lambda: self._first or self._waiting or self._ended, timeout)
            if self._ended:
                raise self._ended
            if self._first:
                return self._first.popleft()
            return self._waiting.popleft() if self._waiting else None

    def watch(self, printers: frozenset[str] | None) -> None:
        """From now on sees what concerns these printers alone, by any of their names; None: everything."""
        with self._condition:
            self._printers = printers
            self._first = deque(told for told in self._first if self._is_for_it(told.change))
            self._waiting = deque(told for told in self._waiting if self._is_for_it(told.change))

    def wants(self, told: Told) -> bool:
        """Whether it still does: it may have changed what it watches since it took this."""
        with self._condition:
            return self._is_for_it(told.change)

    def end(self) -> None:
        """The feed cannot go on."""
        with self._condition:
            self._end(Ended(too_slow=False))

    def leave(self) -> None:
        """Wants no more; safe to call twice."""
        self._leave(self)
        self.end()

    def _end(self, why: Ended) -> None:
        self._ended = self._ended or why
        self._first.clear()
        self._waiting.clear()
        self._condition.notify_all()

    def _is_for_it(self, change: Change) -> bool:
        if self._sites is not None and change.record.recipient_id not in self._sites:
            return False
        return self._printers is None or bool(self._printers & _names(change.printer))


def _names(printer: Printer | None) -> frozenset[str]:
    """By what a printer may be called."""
    names = (printer.printer_id, printer.chosen_id, printer.serial) if printer else ()
    return frozenset(name for name in names if name)
