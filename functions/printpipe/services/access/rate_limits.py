"""How often a client may call: counted by every instance, and told to the others in blocks.

An instance counts by itself and writes each time it has counted a block; then it reads what all of them have written.
One write so serves a block's calls, a client may go from function to function without running out, and by how much the
limit is passed is at most a block for each instance.
"""

import hashlib
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from printpipe.domain.errors import RateLimited, Unavailable
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import (
    REMOVE,
    Create,
    DocumentExists,
    DocumentMissing,
    Documents,
    Increment,
    PreconditionFailed,
    Update,
)

BLOCK = 50
"""Calls that an instance counts before it writes them down."""

Kind = Literal["general", "status"]


@dataclass(frozen=True)
class Limit:
    """So many calls in so many seconds, beginning with the hour or the minute."""

    calls: int
    seconds: int


LIMITS: Mapping[Kind, Limit] = {"general": Limit(1000, 3600), "status": Limit(120, 60)}

MOST_CLIENTS = 10_000
"""That an instance counts at a time."""

_TRIES = 8
_SLOT_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True)
class Allowance:
    """What a client may still do: `remaining` of `limit` calls until `reset`, in seconds since 1970."""

    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """As an answer tells it."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


@dataclass
class _Count:
    """One client's calls of one kind in one window: those that all instances have written, and ours that are not."""

    reset: int
    known: int | None = None
    ours: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class RateLimits:
    """Counts calls; `clock` tells the time."""

    def __init__(self, documents: Documents, collections: Collections, clock: Callable[[], datetime]) -> None:
        self._documents, self._collection, self._clock = documents, collections.rate_limits, clock
        self._counts: dict[tuple[str, Kind], _Count] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many clients are counted here."""
        return len(self._counts)

    def take(self, client: str, kind: Kind) -> tuple[Allowance, RateLimited | None]:
        """Counts a call: what remains, and the error where it is one too many.

        Raises `Unavailable` where the store is out of reach when it must be asked.
        """
        limit, now = LIMITS[kind], self._clock().timestamp()
        reset = (int(now) // limit.seconds + 1) * limit.seconds
        count = self._count(client, kind, reset)
        with count.lock:
            if count.known is None:
                count.known = self._written(self._path(client, kind, reset))
            if count.known + count.ours >= limit.calls:
                wait = max(1, math.ceil(reset - now))
                refusal = RateLimited(f"At most {limit.calls} calls in {limit.seconds} s", retry_after=wait)
                return Allowance(limit.calls, 0, reset), refusal
            count.ours += 1
            if count.ours >= BLOCK:  # more, where the store was out of reach
                path = self._path(client, kind, reset)
                self._write(path, count.ours, reset)
                count.ours, count.known = 0, None
                count.known = self._written(path)
            return Allowance(limit.calls, max(0, limit.calls - count.known - count.ours), reset), None

    def _count(self, client: str, kind: Kind, reset: int) -> _Count:
        with self._lock:
            count = self._counts.get((client, kind))
            if count is None or count.reset != reset:
                if len(self._counts) >= MOST_CLIENTS:
                    self._forget()
                count = self._counts[client, kind] = _Count(reset)
            return count

    def _forget(self) -> None:
        """Makes room: what is past goes, then the eldest of the rest, and with them less than a block each."""
        now = self._clock().timestamp()
        current = {name: each for name, each in self._counts.items() if each.reset > now}
        eldest = len(current) - MOST_CLIENTS * 9 // 10
        self._counts = dict(islice(current.items(), max(0, eldest), None))

    def _written(self, path: str) -> int:
        document = self._documents.get(path)
        return int(document.data["calls"]) if document is not None else 0

    def _write(self, path: str, calls: int, reset: int) -> None:
        """Adds calls to what is written; two that begin the document at once are both counted."""
        for _ in range(_TRIES):
            try:
                self._documents.commit(Update(path, {"calls": Increment(calls)}))
            except DocumentMissing:
                expires_at = datetime.fromtimestamp(reset, UTC)
                try:
                    self._documents.commit(Create(path, {"calls": calls, "expiresAt": expires_at}))
                except DocumentExists:
                    continue
            return
        raise Unavailable("The calls cannot be counted", retry_after=1)

    def _path(self, client: str, kind: str, reset: int) -> str:
        return f"{self._collection}/{_digest(client)}_{kind}_{reset}"


class Slots:
    """What a client may have several of at once, wherever they are: connections."""

    def __init__(self, documents: Documents, collections: Collections, clock: Callable[[], datetime]) -> None:
        self._documents, self._collection, self._clock = documents, collections.rate_limits, clock

    def take(self, client: str, kind: str, most: int, holder: str) -> None:
        """Takes a slot, or keeps it for another five minutes. Raises `RateLimited` where all are taken."""
        path = self._path(client, kind)
        for _ in range(_TRIES):
            now = self._clock()
            document = self._documents.get(path)
            held = dict(document.data["holders"]) if document is not None else {}
            held = {name: until for name, until in held.items() if until > now}
            if holder not in held and len(held) >= most:
                raise RateLimited(f"At most {most} {kind} at once", retry_after=5)
            fields = {"holders": {**held, holder: now + _SLOT_LIFETIME}, "expiresAt": now + _SLOT_LIFETIME}
            write = Create(path, fields) if document is None else Update(path, fields, document.version)
            try:
                self._documents.commit(write)
            except PreconditionFailed:
                continue
            return
        raise Unavailable("The slots are being changed by others", retry_after=1)

    def give_back(self, client: str, kind: str, holder: str) -> None:
        """Gives a slot back; one that was lost by then is no error."""
        try:
            self._documents.commit(Update(self._path(client, kind), {f"holders.{holder}": REMOVE}))
        except DocumentMissing:
            return

    def _path(self, client: str, kind: str) -> str:
        return f"{self._collection}/{_digest(client)}_{kind}"


def _digest(client: str) -> str:
    """A client's name within a document's, which neither tells it nor can be chosen."""
    return hashlib.sha256(client.encode(errors="surrogateescape")).hexdigest()[:40]
