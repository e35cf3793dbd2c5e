"""Events on their way to the functions: several at once, tried again as often as Eventarc and Pub/Sub would."""

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import urllib3

from local.faults import FaultPanel
from local.json_log import emit

THREADS = 8
LONGEST_CALL = 310.0
"""Seconds: more than any event function has."""

FIRST_RETRY = 0.1
FIRST_COUNTED_RETRY = 0.5
"""Seconds: where attempts are counted, a short outage must not use them all up."""

LONGEST_RETRY = 10.0
GIVE_UP_AFTER = 24 * 3600.0
REORDER_WAIT = 5.0
REORDER_GAP = 0.1
"""Seconds: between two of the reordered events, so that the order is really the one that was asked for."""


@dataclass(frozen=True)
class Event:
    """A CloudEvent for one function; `document` is the path below `documents/` of the one that it is about."""

    function: str
    id: str
    type: str
    source: str
    time: str
    document: str | None
    content_type: str
    body: bytes

    def headers(self) -> dict[str, str]:
        """The event in the binary mode of CloudEvents over HTTP."""
        about = (
            {} if self.document is None else {"ce-subject": f"documents/{self.document}", "ce-document": self.document}
        )
        return {
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-type": self.type,
            "ce-source": self.source,
            "ce-time": self.time,
            **about,
            "content-type": self.content_type,
        }


@dataclass
class _Offer:
    """What was offered once: it is settled when each of its copies was taken or given up."""

    attempts: int | None
    settled: Callable[[bool], None] | None
    copies: int
    taken: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, taken: bool) -> None:
        with self.lock:
            self.copies -= 1
            self.taken = self.taken or taken
            done = self.copies == 0
        if done and self.settled is not None:
            self.settled(self.taken)


@dataclass(frozen=True)
class _Attempt:
    event: Event
    number: int
    since: float
    offer: _Offer


class Deliveries:
    """Delivers what is offered to `<gateway>/<function>` until it answers 2xx, with exponential back-off."""

    def __init__(
        self, gateway_url: str, faults: FaultPanel, *, first_counted_retry: float = FIRST_COUNTED_RETRY
    ) -> None:
        self._url = gateway_url
        self._first_counted_retry = first_counted_retry
        self._faults = faults
        self._http = urllib3.PoolManager(
            maxsize=THREADS, retries=False, timeout=urllib3.Timeout(connect=2, read=LONGEST_CALL)
        )
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, _Attempt]] = []
        self._count = itertools.count()
        self._held: list[_Attempt] = []
        self._open: Counter[str] = Counter()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"delivery-{number}", daemon=True) for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def offer(
        self, event: Event, *, attempts: int | None = None, settled: Callable[[bool], None] | None = None
    ) -> None:
        """Takes an event over; returns at once.

        With `attempts` it is given up after so many that the function answered; `settled` is called at the end, with
        whether the function took it. Events without are tried for a day.
        """
        faults = self._faults.now
        if faults.drop and attempts is None and settled is None:
            emit("trigger_dropped", function=event.function, eventId=event.id, document=event.document)
            return
        copies = 1 + faults.duplicates
        offered = _Offer(attempts, settled, copies)
        since = time.monotonic()
        made = [_Attempt(event, 1, since, offered) for _ in range(copies)]
        with self._wake:
            self._open[event.function] += copies
        if not faults.reorder or not faults.touches(event.function):
            self._schedule(made, spread=faults.shuffle)
            return
        with self._wake:
            self._held += made
            first, complete = len(self._held) == len(made), len(self._held) >= faults.reorder
        if complete:
            self._release_held()
        elif first:
            timer = threading.Timer(REORDER_WAIT, self._release_held)
            timer.daemon = True
            timer.start()

    def busy(self, function: str) -> bool:
        """Whether it has taken events for this function that are not delivered yet."""
        with self._wake:
            return self._open[function] > 0

    def close(self) -> None:
        """Ends the threads once they are done with what they are at; what is still due is lost."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _release_held(self) -> None:
        with self._wake:
            held, self._held = self._held, []
        if held:
            self._faults.reordered()
            self._schedule(held[::-1], gap=REORDER_GAP)

    def _schedule(self, attempts: list[_Attempt], gap: float = 0.0, spread: float = 0.0) -> None:
        now = time.monotonic()
        with self._wake:
            for place, attempt in enumerate(attempts):
                late = random.uniform(0, spread) if spread else 0.0  # noqa: S311 - disorder, not a secret
                self._push(now + place * gap + late, attempt)

    def _push(self, due: float, attempt: _Attempt) -> None:
        heapq.heappush(self._due, (due, next(self._count), attempt))
        self._wake.notify()

    def _next(self) -> _Attempt | None:
        with self._wake:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._wake.wait(wait)
            return None

    def _work(self) -> None:
        while attempt := self._next():
            started = time.monotonic()
            problem, counted = self._deliver(attempt)
            fields: dict[str, Any] = {
                "function": attempt.event.function,
                "eventId": attempt.event.id,
                "document": attempt.event.document,
                "attempt": attempt.number,
                "ms": round((time.monotonic() - started) * 1000, 1),
            }
            if problem is None:
                emit("trigger_delivered", **fields)
                self._settle(attempt, True)
            elif self._is_last(attempt, counted):
                emit("trigger_given_up", "ERROR", error=problem, **fields)
                self._settle(attempt, False)
            else:
                wait = self._pause(attempt)
                emit("trigger_failed", "WARNING", error=problem, retryInSeconds=round(wait, 2), **fields)
                again = _Attempt(attempt.event, attempt.number + counted, attempt.since, attempt.offer)
                with self._wake:
                    self._push(time.monotonic() + wait, again)

    def _is_last(self, attempt: _Attempt, counted: bool) -> bool:
        most = attempt.offer.attempts
        if most is not None:
            return counted and attempt.number >= most
        return time.monotonic() - attempt.since > GIVE_UP_AFTER

    def _pause(self, attempt: _Attempt) -> float:
        first = FIRST_RETRY if attempt.offer.attempts is None else self._first_counted_retry
        spread: float = random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, hides nothing
        return min(LONGEST_RETRY, first * 2.0 ** (attempt.number - 1)) * spread

    def _settle(self, attempt: _Attempt, taken: bool) -> None:
        with self._wake:
            self._open[attempt.event.function] -= 1
        attempt.offer.settle(taken)

    def _deliver(self, attempt: _Attempt) -> tuple[str | None, bool]:
        """What went wrong, or None; and whether the attempt counts: where nothing serves, another instance would."""
        event = attempt.event
        if self._faults.take_failure(event.function) or (attempt.number == 1 and self._faults.fails_first()):
            return "failed on demand", True
        try:
            answer = self._http.request(
                "POST", f"{self._url}/{event.function}", body=event.body, headers=event.headers()
            )
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__, attempt.offer.attempts is None
        return (None if 200 <= answer.status < 300 else f"HTTP {answer.status}"), True
