"""Events on their way to the functions: several at once, tried again until the function took them, as Eventarc does."""

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import urllib3

from local.faults import FaultPanel
from local.json_log import emit

THREADS = 8
LONGEST_CALL = 310.0
"""Seconds: more than any event function has."""

FIRST_RETRY = 0.1
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


@dataclass(frozen=True)
class _Attempt:
    event: Event
    number: int
    since: float


class Deliveries:
    """Delivers what is offered to `<gateway>/<function>` until it answers 2xx, with exponential back-off."""

    def __init__(self, gateway_url: str, faults: FaultPanel) -> None:
        self._url = gateway_url
        self._faults = faults
        self._http = urllib3.PoolManager(
            maxsize=THREADS, retries=False, timeout=urllib3.Timeout(connect=2, read=LONGEST_CALL)
        )
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, _Attempt]] = []
        self._count = itertools.count()
        self._held: list[Event] = []
        self._open: Counter[str] = Counter()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"delivery-{number}", daemon=True) for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def offer(self, event: Event) -> None:
        """Takes an event over; returns at once."""
        faults = self._faults.now
        if faults.drop:
            emit("trigger_dropped", function=event.function, eventId=event.id, document=event.document)
            return
        copies = [event] * (1 + faults.duplicates)
        with self._wake:
            self._open[event.function] += len(copies)
        if not faults.reorder:
            self._schedule(copies)
            return
        with self._wake:
            self._held += copies
            first, complete = len(self._held) == len(copies), len(self._held) >= faults.reorder
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

    def _schedule(self, events: list[Event], gap: float = 0.0) -> None:
        now = time.monotonic()
        with self._wake:
            for place, event in enumerate(events):
                self._push(now + place * gap, _Attempt(event, 1, now))

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
            problem = self._deliver(attempt.event)
            fields: dict[str, Any] = {
                "function": attempt.event.function,
                "eventId": attempt.event.id,
                "document": attempt.event.document,
                "attempt": attempt.number,
                "ms": round((time.monotonic() - started) * 1000, 1),
            }
            if problem is None:
                self._settle(attempt.event)
                emit("trigger_delivered", **fields)
            elif time.monotonic() - attempt.since > GIVE_UP_AFTER:
                self._settle(attempt.event)
                emit("trigger_given_up", "ERROR", error=problem, **fields)
            else:
                wait = min(LONGEST_RETRY, FIRST_RETRY * 2 ** (attempt.number - 1)) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, hides nothing
                emit("trigger_failed", "WARNING", error=problem, retryInSeconds=round(wait, 2), **fields)
                again = _Attempt(attempt.event, attempt.number + 1, attempt.since)
                with self._wake:
                    self._push(time.monotonic() + wait, again)

    def _settle(self, event: Event) -> None:
        with self._wake:
            self._open[event.function] -= 1

    def _deliver(self, event: Event) -> str | None:
        """What went wrong, or None."""
        if self._faults.take_failure():
            return "failed on demand"
        try:
            answer = self._http.request(
                "POST", f"{self._url}/{event.function}", body=event.body, headers=event.headers()
            )
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
        return None if 200 <= answer.status < 300 else f"HTTP {answer.status}"
