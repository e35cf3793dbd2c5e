"""What happens in one organization, followed once for all who look on at this instance."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from printpipe.domain.errors import DomainError, Unavailable
from printpipe.domain.job_progress import progress_of
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS
from printpipe.domain.log import log, log_failure
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Document, Documents, Listener, Query
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Event, UnknownSchema
from printpipe.domain.transfers import Transfer
from printpipe.services.live.changes import SOURCES, Change, Marks, Source, Told
from printpipe.services.live.reader import Reader
from printpipe.services.printers import contacts
from printpipe.services.store import live_queries

MOST_PRINTERS = 1000
MOST_JOBS = 500
MOST_TRANSFERS = 100
MOST_EVENTS = 100
"""How much is followed: of what changes, that which changed last."""

ALERTS = ("hms_error", "job_failed")
"""The events that are told."""

GRACE_SECONDS = 10.0
"""How long a feed that nobody reads goes on: whoever comes again finds it running."""

LOOK_SECONDS = 5.0
"""How often it is looked whether a printer has fallen silent, and whether every listener still listens."""

_OPEN_WITHIN = 8.0
_REOPEN_AFTER = (0.0, 0.5, 2.0)

Stored = Printer | Job | Transfer | Event

_RECORDS: Mapping[Source, type[Stored]] = {"printers": Printer, "jobs": Job, "transfers": Transfer, "events": Event}


@dataclass(frozen=True)
class _Known:
    """A record as it was told last. `shown` is what a reader can see of it: with the same, it is not told again."""

    record: Stored
    place: int
    shown: Any


class Feed:
    """Follows the store while it has readers; `clock` tells the time. `closed` is called once it does so no more."""

    def __init__(
        self,
        documents: Documents,
        collections: Collections,
        organization_id: str,
        clock: Callable[[], datetime],
        closed: Callable[["Feed"], None],
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._documents, self._clock, self._grace = documents, clock, grace
        self._when_closed = closed
        self.organization_id = organization_id
        self._queries: Mapping[Source, Query] = {
            "printers": live_queries.printers_in_use(collections, organization_id, MOST_PRINTERS),
            "jobs": live_queries.jobs_changed_last(collections, organization_id, MOST_JOBS),
            "transfers": live_queries.transfers_changed_last(collections, organization_id, MOST_TRANSFERS),
            "events": live_queries.newest_events_of(collections, organization_id, ALERTS, MOST_EVENTS),
        }
        self._opening = threading.Lock()
        self._lock = threading.Condition()
        self._known: dict[Source, dict[str, _Known]] = {source: {} for source in SOURCES}
        self._marks = Marks()
        self._heard: set[Source] = set()
        self._broken: set[Source] = set()
        self._listeners: dict[Source, Listener] = {}
        self._readers: list[Reader] = []
        self._left_at = time.monotonic()
        self._is_open = self._is_closed = False

    def join(self, sites: frozenset[str] | None, printers: frozenset[str] | None, marks: Marks | None) -> Reader | None:
        """A new reader; None where the feed was closed meanwhile.

        It is told first what has changed since `marks`; without these, how the printers, the jobs that have not ended
        and the transfers under way are. Raises `Unavailable` where the store cannot be followed.
        """
        with self._opening:
            if self._is_closed:
                return None
            if not self._is_open:
                self._open()
            with self._lock:
                told = self._present() if marks is None else self._since(marks)
                reached = Marks(*map(max, marks or self._marks, self._marks))
                reader = Reader(sites, printers, told, reached, self._leave)
                self._readers.append(reader)
                return reader

    def _leave(self, reader: Reader) -> None:
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)
                self._left_at = time.monotonic()

    def _open(self) -> None:
        try:
            for source in SOURCES:
                self._listen(source)
            with self._lock:
                if not self._lock.wait_for(lambda: len(self._heard) == len(SOURCES), _OPEN_WITHIN):
                    raise Unavailable("What happens cannot be followed now")
        except BaseException:
            self._close()
            raise
        self._is_open = True
        log("live_feed_opened", organizationId=self.organization_id)
        threading.Thread(target=self._keep, name="live-feed", daemon=True).start()

    def _listen(self, source: Source) -> None:
        self._listeners[source] = self._documents.listen(self._queries[source], partial(self._take, source))

    def _close(self) -> None:
        self._is_closed = True
        for listener in self._listeners.values():
            with suppress(Exception):  # a listener that has failed may say so again
                listener.close()
        with self._lock:
            readers = list(self._readers)
            self._readers.clear()
        for reader in readers:
            reader.end()
        self._when_closed(self)

    def _keep(self) -> None:
        """Looks after the feed until it is closed."""
        while True:
            time.sleep(min(LOOK_SECONDS, max(0.05, self._grace / 4)))
            mended = self._mend()
            with self._opening:
                with self._lock:
                    deserted = not self._readers and time.monotonic() - self._left_at >= self._grace
                    self._look_for_silence()
                if deserted or not mended:
                    self._close()
                    log("live_feed_closed", organizationId=self.organization_id, deserted=deserted)
                    return

    def _mend(self) -> bool:
        """Begins listeners anew that have failed; False where that fails, too."""
        for source in SOURCES:
            if source not in self._broken and self._listeners[source].alive:
                continue
            for wait in _REOPEN_AFTER:
                time.sleep(wait)
                with suppress(Exception):
                    self._listeners[source].close()
                try:
                    self._broken.discard(source)
                    self._listen(source)
                except DomainError:
                    log_failure("live_listener_failed", organizationId=self.organization_id, source=source)
                else:
                    break
            else:
                return False
        return True

    def _take(self, source: Source, documents: list[Document]) -> None:
        try:
            with self._lock:
                for change in self._news(source, documents):
                    self._tell(change)
                self._heard.add(source)
                self._lock.notify_all()
        except Exception:  # a callback that raises would end the store's own thread in silence
            self._broken.add(source)
            log_failure("live_feed_failed", organizationId=self.organization_id, source=source)

    def _news(self, source: Source, documents: Iterable[Document]) -> Iterator[Change]:
        """What is to be told of all that a listener has found now; it is known then."""
        before, mark = self._known[source], self._marks.of(source)
        now: dict[str, _Known] = {}
        for document in documents:
            known = before.get(document.id)
            if known is None or known.place != document.version.place:
                known = self._read(source, document)
            if known is not None:
                now[document.id] = known
            self._marks = self._marks.raised(source, document.version.place)
        self._known[source] = now
        fresh = [
            (known, before.get(name))
            for name, known in now.items()
            if known.place > mark and (name not in before or before[name].shown != known.shown)
        ]
        fresh.sort(key=lambda each: each[0].place)
        for index, (known, former) in enumerate(fresh):
            shared = index + 1 < len(fresh) and fresh[index + 1][0].place == known.place
            yield from self._changes(source, known, former, known.place - shared)

    def _changes(self, source: Source, known: _Known, former: _Known | None, mark: int) -> Iterator[Change]:
        """A record's change; before a printer's, that of the job of whose progress it tells."""
        record = known.record
        job = self._job_at(record) if isinstance(record, Printer) else None
        if job and (not former or progress_of(job, _status(former.record)) != progress_of(job, _status(record))):
            yield Change("jobs", job, _at(record), known.place, None, self._printer_of(record), job)
        yield self._change(source, known, mark)

    def _change(self, source: Source, known: _Known, mark: int | None) -> Change:
        record = known.record
        job = record if isinstance(record, Job) else None
        if isinstance(record, Event) and record.print_job_id in self._known["jobs"]:
            found = self._known["jobs"][record.print_job_id].record
            job = found if isinstance(found, Job) else None
        return Change(source, record, _at(record), known.place, mark, self._printer_of(record), job)

    def _tell(self, change: Change) -> None:
        for reader in self._readers:
            reader.put(change)

    def _read(self, source: Source, document: Document) -> _Known | None:
        """A document as it is known; None for one that was deleted, or cannot be read."""
        if document.data.get("deletedAt") is not None:
            return None
        try:
            record = _RECORDS[source].of(document)
        except (ValidationError, UnknownSchema):
            log_failure("live_record_unreadable", path=document.path)
            return None
        return _Known(record, document.version.place, self._shown(record))

    def _shown(self, record: Stored) -> Any:
        match record:
            case Printer():
                names = (record.name, record.chosen_id, record.serial, record.recipient_id, record.active)
                return names, _status(record), contacts.condition(record, self._clock())
            case Job():
                return record.model_dump(exclude={"updated_at", "seen_at", "turn", "claimed_by", "request_id"})
            case Event():
                return record.event_id
        return record

    def _look_for_silence(self) -> None:
        """Tells of printers whose silence has become too long, or whose first report since is past."""
        for name, known in self._known["printers"].items():
            shown = self._shown(known.record)
            if shown != known.shown:
                self._known["printers"][name] = replace(known, shown=shown)
                self._tell(replace(self._change("printers", known, None), at=self._clock()))

    def _present(self) -> list[Told]:
        """How everything is, in the order of the last changes; who is cut off in between may go on behind any of it."""
        current = self._found(lambda _, known: _is_current(known.record))
        return [Told(self._change(source, known, None), after) for source, known, _, after in _marked(current, None)]

    def _since(self, marks: Marks) -> list[Told]:
        """What has changed since these."""
        fresh = self._found(lambda source, known: known.place > marks.of(source))
        return [
            Told(change, before if change.mark is None else after)
            for source, known, before, after in _marked(fresh, marks)
            for change in self._changes(source, known, None, known.place)
        ]

    def _found(self, wanted: Callable[[Source, _Known], bool]) -> list[tuple[Source, _Known]]:
        """What is known, in the order of the last changes."""
        found = [(source, each) for source in SOURCES for each in self._known[source].values() if wanted(source, each)]
        return sorted(found, key=lambda each: each[1].place)

    def _printer_of(self, record: Stored) -> Printer | None:
        """The printer that a record is about."""
        if isinstance(record, Printer):
            return record
        printers = self._known["printers"]
        if not isinstance(record, Event) and record.printer_id in printers:
            found = printers[record.printer_id].record
            return found if isinstance(found, Printer) else None
        if isinstance(record, Transfer) or record.printer_serial is None:
            return None
        all_printers = (known.record for known in printers.values())
        return next(
            (each for each in all_printers if isinstance(each, Printer) and each.serial == record.printer_serial), None
        )

    def _job_at(self, printer: Printer) -> Job | None:
        """The job that a printer prints."""
        for known in self._known["jobs"].values():
            job = known.record
            if isinstance(job, Job) and job.status in AT_THE_PRINTER and self._printer_of(job) is printer:
                return job
        return None


def _marked(
    found: Iterable[tuple[Source, _Known]], marks: Marks | None
) -> Iterator[tuple[Source, _Known, Marks, Marks]]:
    """Each with the marks before and behind it; of what was written at once, the last alone raises them.

    Without `marks` to begin with, all sources are told up to the same place.
    """
    for place, group in groupby(found, key=lambda each: each[1].place):
        members = list(group)
        before = Marks(*[place - 1] * len(SOURCES)) if marks is None else marks
        after = Marks(*[place] * len(SOURCES)) if marks is None else marks
        for source, _ in members:
            after = after.raised(source, place)
        for index, (source, known) in enumerate(members, 1):
            yield source, known, before, after if index == len(members) else before
        marks = marks and after


def _status(record: Stored) -> Mapping[str, Any]:
    """What a printer said last."""
    return record.state.status if isinstance(record, Printer) and record.state else {}


def _at(record: Stored) -> datetime:
    match record:
        case Printer():
            moments = (record.state.received_at if record.state else None, record.updated_at, record.created_at)
            return max(moment for moment in moments if moment)
        case Event():
            return record.created_at
    return record.updated_at


def _is_current(record: Stored) -> bool:
    match record:
        case Printer():
            return True
        case Job():
            return bool(JOBS[record.status])
        case Transfer():
            return record.active
    return False
