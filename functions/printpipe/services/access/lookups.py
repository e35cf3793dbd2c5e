"""What was looked up, remembered for a while."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

ABSENCE_SECONDS = 5.0
"""How long a name that nothing has is remembered as such."""

_T = TypeVar("_T")
_E = TypeVar("_E")


@dataclass(frozen=True)
class Found(Generic[_T]):
    """What a look-up gave, and until which tick it holds, if that is known."""

    value: _T | None
    until: float = float("inf")


class Lookups(Generic[_T]):
    """At most `size` answers that were found, and as many that were not: guesses drive out no knowledge.

    Each is kept for `lifetime` seconds from the beginning of its look-up. Safe between threads; `tick` is a monotonic
    clock in seconds.
    """

    def __init__(self, tick: Callable[[], float], lifetime: float, size: int = 2000) -> None:
        self._tick, self._lifetime, self._size = tick, lifetime, size
        self._present: OrderedDict[str, tuple[float, _T]] = OrderedDict()
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, look_up: Callable[[], Found[_T]]) -> _T | None:
        """What is remembered of the name, or else looked up now."""
        began = self._tick()
        with self._lock:
            present = self._present.get(name)
            if present and present[0] > began:
                return present[1]
            if self._absent.get(name, began) > began:
                return None
        found = look_up()
        with self._lock:
            self._keep(name, found, began)
        return found.value

    def forget(self, name: str) -> None:
        """Have the name looked up again when it is asked for next."""
        with self._lock:
            self._present.pop(name, None)
            self._absent.pop(name, None)

    def _keep(self, name: str, found: Found[_T], began: float) -> None:
        if found.value is None:
            self._present.pop(name, None)
            self._put(self._absent, name, began + ABSENCE_SECONDS)
        else:
            self._absent.pop(name, None)
            self._put(self._present, name, (min(began + self._lifetime, found.until), found.value))

    def _put(self, entries: OrderedDict[str, _E], name: str, entry: _E) -> None:
        entries[name] = entry
        entries.move_to_end(name)
        while len(entries) > self._size:
            entries.popitem(last=False)
