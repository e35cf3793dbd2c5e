"""One view over the files that are stored and those that lie on printers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Literal

from printpipe.domain.errors import DomainError, Forbidden, NotFound
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ids import printer_file_id
from printpipe.domain.job_records import Job
from printpipe.domain.log import log_failure
from printpipe.domain.printer_records import Printer
from printpipe.domain.transfers import STORED, PrinterFile, PrinterStorage, Transfer, TransferStatus
from printpipe.services.context import Context
from printpipe.services.files import storage, transfers
from printpipe.services.printers import printers
from printpipe.services.store import file_queries, queries

MOST_STORED = 2000
"""Stored files that are looked through, the newest first."""

MOST_LISTED_ANEW = 10
"""Printers whose storage one call has listed anew."""

LISTED_ANEW = timedelta(minutes=5)
"""How old a printer's list is before a look at the files has it made anew."""

Status = Literal["available", "downloading", "downloaded", "local", "error"]

_MOST_DOWNLOADS = 200
_MOST_JOBS = 20
_MEBIBYTE = 1024 * 1024
_DONE_WITH = frozenset({"completed", "failed", STORED})
"""What a file's status says when nobody is to print it: its newest job has ended, or it never had one."""


@dataclass(frozen=True)
class Entry:
    """A file: on a printer, stored, or both. `download` is its last one from there."""

    file_id: str
    printer: Printer | None = None
    on_printer: PrinterFile | None = None
    stored: StoredPrintFile | None = None
    download: Transfer | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        if self.on_printer is not None:
            return self.on_printer.name
        assert self.stored is not None
        return self.stored.file_name

    @property
    def suffix(self) -> str:
        """The end of its name, as `.3mf`."""
        return f".{self.name.rpartition('.')[2].lower()}"

    @property
    def size(self) -> int:
        """Bytes."""
        if self.on_printer is not None:
            return self.on_printer.size
        assert self.stored is not None
        return self.stored.size

    @property
    def status(self) -> Status:
        """Where its bytes are to be had."""
        if self.download is not None and not self.download.status.is_over:
            return "downloading"
        if self.stored is not None:
            return "local" if self.stored.origin is None else "downloaded"
        failed = self.download is not None and self.download.status == TransferStatus.FAILED
        return "error" if failed else "available"

    @property
    def accessed_at(self) -> datetime | None:
        """When it was used last, as far as that is known."""
        if self.stored is None:
            return self.on_printer.modified_at if self.on_printer else None
        return self.stored.accessed_at or self.stored.created_at

    @property
    def order(self) -> tuple[str, str]:
        """By which the newest comes first."""
        at = self.stored.created_at if self.stored else self.on_printer.modified_at if self.on_printer else None
        return (at.isoformat() if at else "", self.file_id)


@dataclass(frozen=True)
class Wanted:
    """Which files a list shows; None leaves a condition out. `suffix` is as `.3mf`."""

    printer: str | None = None
    status: Status | None = None
    suffix: str | None = None
    search: str | None = None


@dataclass(frozen=True)
class Summary:
    """How many files there are; bytes. `success_rate` None before the first download has ended."""

    available: int
    downloaded: int
    local: int
    total_size: int
    success_rate: float | None


@dataclass(frozen=True)
class Listing:
    """A page of the files that are wanted, how many are, and a summary of all."""

    entries: Sequence[Entry]
    total: int
    summary: Summary


@dataclass(frozen=True)
class Cleanup:
    """What may be cleaned up: files of at least that age and size, or only those that nobody has used since then."""

    age: timedelta
    least_bytes: int
    unused_only: bool


def listed(context: Context, wanted: Wanted, page: int, limit: int) -> Listing:
    """The organization's files, the newest first, and printers' lists made anew where they have become old.

    Raises `NotFound` for a printer that is not there.
    """
    only = Printer.of(printers.named(context, wanted.printer)) if wanted.printer is not None else None
    everything = list(_entries(context, only))
    shown = sorted((each for each in everything if _is_wanted(each, wanted)), key=lambda each: each.order, reverse=True)
    begin = (page - 1) * limit
    return Listing(shown[begin : begin + limit], len(shown), _summary(context, everything))


def find(context: Context, file_id: str) -> tuple[Entry, Sequence[Job]]:
    """A file by its id, with the newest jobs that print it at the caller's sites. Raises `NotFound`."""
    located = storage.locate(context, file_id)
    stored = located.stored if located.on_printer is None or located.is_current else None
    printer = located.printer
    if printer is None and stored is not None and stored.origin is not None:
        with suppress(NotFound, Forbidden):
            printer = Printer.of(printers.own(context, stored.origin.printer_id))
    download = transfers.last(context, file_id, "fetch")
    entry = Entry(file_id, printer, located.on_printer, stored, download)
    jobs = jobs_of(context, stored) if stored is not None else []
    return entry, [each for each in jobs if storage.is_for_caller(context, each.recipient_id)]


def candidates(context: Context, wanted: Cleanup) -> Sequence[Entry]:
    """The stored files that no job waits for any more and that are old and large enough, the largest first."""
    now, found = context.now(), _stored_entries(context)
    return sorted(
        (
            each
            for each in found
            if each.stored is not None
            and each.stored.status in _DONE_WITH
            and now - each.stored.created_at >= wanted.age
            and each.stored.size >= wanted.least_bytes
            and not (wanted.unused_only and now - (each.accessed_at or now) < wanted.age)
        ),
        key=lambda each: (-each.size, each.file_id),
    )


def jobs_of(context: Context, stored: StoredPrintFile) -> list[Job]:
    """The newest jobs that print a stored file."""
    query = file_queries.jobs_of_file(context.collections, stored.organization_id, stored.file_id, _MOST_JOBS)
    found = map(Job.of, context.documents.query(query))
    return [each for each in found if each.deleted_at is None]


def mebibytes(size: int) -> float:
    """Bytes as people read them."""
    return round(size / _MEBIBYTE, 2)


def _entries(context: Context, only: Printer | None) -> Iterator[Entry]:
    """Every file once: what printers hold, with our copy of it, then what is stored besides."""
    known = _printers(context, only)
    lists = storage.storages(context) if only is None else storage.storage_of(context, only.printer_id)
    held = [each for each in lists if each.printer_id in known]
    _list_anew(context, known, held)
    stored = _stored_files(context)
    copied = {_name_of(each): each for each in reversed(stored) if each.origin is not None}
    downloads = _downloads(context)
    shown = set[str]()
    for each in held:
        for file in each.files:
            name = printer_file_id(each.printer_id, file.path)
            copy = copied.get(name)
            if copy is not None and storage.is_copy_of(copy, file):
                shown.add(copy.file_id)
            else:
                copy = None
            yield Entry(name, known[each.printer_id], file, copy, downloads.get(name))
    for one in stored:
        origin = one.origin.printer_id if one.origin else None
        if one.file_id in shown or (only is not None and origin != only.printer_id):
            continue
        yield Entry(one.file_id, known.get(origin or ""), stored=one)


def _printers(context: Context, only: Printer | None) -> Mapping[str, Printer]:
    if only is not None:
        return {only.printer_id: only}
    query = queries.printers_of_organization(context.collections, context.tenant, None, storage.MOST_PRINTERS, None)
    found = map(Printer.of, context.documents.query(query))
    return {each.printer_id: each for each in found if storage.is_for_caller(context, each.recipient_id)}


def _list_anew(context: Context, known: Mapping[str, Printer], held: Sequence[PrinterStorage]) -> None:
    """Has old lists made anew; who looks at the files is shown those of now all the same."""
    fresh = {each.printer_id for each in held if context.now() - each.listed_at < LISTED_ANEW}
    ordered = 0
    for name, printer in known.items():
        if ordered == MOST_LISTED_ANEW:
            return
        if name in fresh or not printer.active or not storage.could_be_listed(context, printer):
            continue
        ordered += 1
        try:
            storage.refresh(context, printer)
        except DomainError:
            log_failure("storage_refresh_failed", printerId=printer.printer_id)


def _stored_files(context: Context) -> list[StoredPrintFile]:
    query = file_queries.newest_stored_files(context.collections, context.tenant, MOST_STORED)
    found = map(StoredPrintFile.of, context.documents.query(query))
    return [each for each in found if storage.is_for_caller(context, each.recipient_id)]


def _stored_entries(context: Context) -> list[Entry]:
    return [Entry(_name_of(each) or each.file_id, stored=each) for each in _stored_files(context)]


def _name_of(stored: StoredPrintFile) -> str | None:
    """What a copy is called where its printer still has the file; None for what came from no printer."""
    return printer_file_id(stored.origin.printer_id, stored.origin.path) if stored.origin else None


def _downloads(context: Context) -> Mapping[str, Transfer]:
    """The last download of each file, of those that were ordered lately."""
    query = file_queries.newest_downloads(context.collections, context.tenant, _MOST_DOWNLOADS)
    last: dict[str, Transfer] = {}
    for document in context.documents.query(query):
        name = document.data["printerFileId"]
        if name not in last:
            last[name] = transfers.settled(context, document)
    return last


def _is_wanted(entry: Entry, wanted: Wanted) -> bool:
    if wanted.status is not None and entry.status != wanted.status:
        return False
    if wanted.suffix is not None and entry.suffix != wanted.suffix:
        return False
    return wanted.search is None or wanted.search.casefold() in entry.name.casefold()


def _summary(context: Context, everything: Sequence[Entry]) -> Summary:
    narrowed = context.caller.recipient_ids
    sites: Iterable[str | None] = [None] if narrowed is None else narrowed
    counted = dict.fromkeys((TransferStatus.COMPLETED, TransferStatus.FAILED), 0)
    for status, site in product(counted, sites):
        query = file_queries.downloads_in_state(context.collections, context.tenant, site, status.value)
        counted[status] += context.documents.count(query)
    ended = sum(counted.values())
    return Summary(
        available=sum(each.stored is None for each in everything),
        downloaded=sum(each.stored is not None and each.stored.origin is not None for each in everything),
        local=sum(each.stored is not None and each.stored.origin is None for each in everything),
        total_size=sum(each.size for each in everything),
        success_rate=round(counted[TransferStatus.COMPLETED] / ended, 4) if ended else None,
    )
