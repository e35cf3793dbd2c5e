"""All who look on at this instance: one feed for each organization, however many they are."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from weakref import WeakKeyDictionary

from printpipe.domain.errors import DomainError
from printpipe.domain.ids import new_id
from printpipe.domain.log import log, log_failure
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Documents
from printpipe.domain.ports.platform import Platform
from printpipe.services.access.rate_limits import Slots
from printpipe.services.context import Context
from printpipe.services.live.changes import Marks, Told
from printpipe.services.live.feed import GRACE_SECONDS, Feed
from printpipe.services.live.reader import Ended, Reader

MOST_SOCKETS = 10
"""How many connections a client may have at once, of either kind."""

_KEEP_SLOT_EVERY = 120.0
"""Seconds; a slot that is not kept falls to others after five minutes."""

_LOOK_EVERY = 60.0
"""Seconds after which it is looked whether the organization is there still."""


class Hub:
    """The feeds of one process; `clock` tells the time. A feed that nobody reads is closed after `grace` seconds."""

    def __init__(
        self,
        documents: Documents,
        collections: Collections,
        clock: Callable[[], datetime],
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._documents, self._collections, self._clock, self._grace = documents, collections, clock, grace
        self._feeds: dict[str, Feed] = {}
        self._lock = threading.Lock()

    def join(
        self,
        organization_id: str,
        sites: frozenset[str] | None = None,
        printers: frozenset[str] | None = None,
        marks: Marks | None = None,
    ) -> Reader:
        """A reader of what happens in an organization; see `Feed.join`."""
        while True:
            with self._lock:
                feed = self._feeds.get(organization_id)
                if feed is None:
                    feed = Feed(
                        self._documents, self._collections, organization_id, self._clock, self._forget, self._grace
                    )
                    self._feeds[organization_id] = feed
            if reader := feed.join(sites, printers, marks):
                return reader

    def _forget(self, feed: Feed) -> None:
        with self._lock:
            if self._feeds.get(feed.organization_id) is feed:
                del self._feeds[feed.organization_id]


class Attendance:
    """One who looks on, and the slot that it takes of those which its client may have."""

    def __init__(
        self,
        context: Context,
        printers: frozenset[str] | None = None,
        marks: Marks | None = None,
        *,
        looks_every: float = _LOOK_EVERY,
    ) -> None:
        """Raises `RateLimited` where the client's slots are taken, `Unavailable` where nothing can be followed now."""
        caller, organization_id = context.caller, context.tenant
        self._context, self._looks_every = context, looks_every
        self._look_at = time.monotonic() + looks_every
        self._slots = Slots(context.documents, context.collections, context.clock)
        self._client, self._holder = caller.client(context.address), new_id()
        self._keep_slot()
        try:
            self._reader = _hub(context).join(organization_id, caller.recipient_ids, printers, marks)
        except BaseException:
            self._give_slot_back()
            raise
        log("live_reader_joined", organizationId=organization_id)

    def next(self, timeout: float) -> Told | None:
        """The next change; None where none came within `timeout` seconds.

        Raises `Ended`, also where the organization is being erased.
        """
        if time.monotonic() >= self._look_at and self._is_leaving():
            raise Ended(too_slow=False)
        if time.monotonic() >= self._keep_at:
            with suppress(DomainError):  # it is tried again, and nobody is sent away for it
                self._keep_slot()
        return self._reader.next(timeout)

    def watch(self, printers: frozenset[str] | None) -> None:
        """From now on sees what concerns these printers alone; None: everything."""
        self._reader.watch(printers)

    def wants(self, told: Told) -> bool:
        """Whether it still does: it may have changed what it watches since it took this."""
        return self._reader.wants(told)

    def leave(self) -> None:
        """Wants no more; safe to call twice."""
        self._reader.leave()
        self._give_slot_back()

    def _is_leaving(self) -> bool:
        self._look_at = time.monotonic() + self._looks_every
        with suppress(DomainError):  # nobody is sent away because it cannot be told
            return self._context.directory.is_leaving(self._context.tenant)
        return False

    def _keep_slot(self) -> None:
        self._keep_at = time.monotonic() + _KEEP_SLOT_EVERY
        self._slots.take(self._client, "sockets", MOST_SOCKETS, self._holder)

    def _give_slot_back(self) -> None:
        holder, self._holder = self._holder, ""
        try:
            if holder:
                self._slots.give_back(self._client, "sockets", holder)
        except DomainError:
            log_failure("live_slot_kept")


_hubs: WeakKeyDictionary[Platform, Hub] = WeakKeyDictionary()
_finding = threading.Lock()


def _hub(context: Context) -> Hub:
    """This process's."""
    with _finding:
        hub = _hubs.get(context.platform)
        if hub is None:
            hub = _hubs[context.platform] = Hub(context.documents, context.collections, context.clock)
        return hub
