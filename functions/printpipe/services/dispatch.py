"""Which waiting job goes to which printer, or why none fits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from printpipe.domain.commands import parse_order
from printpipe.domain.errors import Conflict, RateLimited, Unavailable
from printpipe.domain.filaments import EXTERNAL
from printpipe.domain.fitting import Candidate, Fit, Needs, Waiting, fit, order
from printpipe.domain.ids import NO_KEY
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, DocumentChanged
from printpipe.domain.reasons import Reason
from printpipe.domain.records import Job, Printer, StoredPrintFile
from printpipe.services import commands, jobs, queries
from printpipe.services.commands import Target
from printpipe.services.context import Context
from printpipe.services.starts import Place, Startable

_PAGE = 100
"""Waiting jobs that are looked at together; the next ones only while a printer is still free."""

_FLEET_PAGE = 300
_SWEPT = 1000
_TRIES = 3


@dataclass(frozen=True)
class Verdict:
    """What keeps a job from a printer; nothing where it only has to wait for its turn."""

    printer: Printer
    reasons: tuple[Reason, ...]


def serve(context: Context, organization_id: str) -> int:
    """Gives an organization's free printers the jobs whose turn it is, as far as they fit; how many were begun.

    Two at once do no harm: a run has one claim, and a printer takes a job only as it was read.
    """
    fleet = _Fleet(context, organization_id)
    begun, after = 0, None
    while fleet.free:
        page = context.documents.query(queries.waiting_jobs(context.collections, organization_id, after, _PAGE))
        for job, file in _in_turn(context, page, fleet.running):
            begun += fleet.place(job, file)
            if not fleet.free:
                break
        if len(page) < _PAGE:
            break
        after = (page[-1].data["turn"], page[-1].id)
    return begun


def verdicts(context: Context, job: Job) -> list[Verdict]:
    """For each of the organization's printers, what keeps the waiting job from it."""
    file = _files(context, [job]).get(str(job.file_id))
    needs = needed(job, file)
    return [
        Verdict(Printer.of(each), _reasons(fit(needs, _candidate(context, each))))
        for each in _printers(context, job.organization_id)
    ]


def organizations_waiting(context: Context) -> list[str]:
    """The organizations whose jobs wait, those in front first."""
    found = context.documents.query(queries.waiting_jobs(context.collections, None, None, _SWEPT))
    return list(dict.fromkeys(each.data["organizationId"] for each in found))


def needed(job: Job, file: StoredPrintFile | None) -> Needs:
    """What the job's next run needs of a printer."""
    return Needs.of(job, file, plate_of(job, file))


def plate_of(job: Job, file: StoredPrintFile | None) -> int:
    """The plate of the job's next run: the one that its owner named, or else the file's plates by turns."""
    if job.plate_index is not None:
        return job.plate_index
    plates = [plate.index for plate in file.plates] if file else []
    return plates[job.plates_completed % len(plates)] if plates else 1


class _Fleet:
    """An organization's printers during one distribution: which are free, and who has jobs at them."""

    def __init__(self, context: Context, organization_id: str) -> None:
        self._context = context
        found = _printers(context, organization_id)
        self.free = {each.id: each for each in found if _is_free(_candidate(context, each))}
        self.running = Counter(occupant.by for each in found for occupant in Printer.of(each).occupants.values())

    def place(self, document: Document, file: StoredPrintFile | None) -> bool:
        """Begins the job's next run at the free printer that suits it best; whether there was one."""
        for _ in range(_TRIES):
            job = Job.of(document)
            needs = needed(job, file)
            chosen = self._choose(needs)
            if chosen is None or file is None:
                return False
            printer, fitting = chosen
            try:
                _begin(self._context, document, file, printer, fitting)
            except (Conflict, Unavailable):
                return False  # another dispatcher's, or cancelled
            except RateLimited:
                del self.free[printer.id]
                continue
            except DocumentChanged:
                again = self._again(document, printer)
                if again is None:
                    return False
                document = again
                continue
            del self.free[printer.id]
            return True
        return False

    def _choose(self, needs: Needs) -> tuple[Document, Fit] | None:
        """The printer that fits and has the least loaded besides: what can do more is kept for what needs more."""
        found = [
            (len(candidate.loaded or ()), each.id, each, fitting)
            for each in self.free.values()
            if isinstance(fitting := fit(needs, candidate := _candidate(self._context, each)), Fit)
        ]
        return min(found, key=lambda each: each[:2])[2:] if found else None

    def _again(self, job: Document, printer: Document) -> Document | None:
        """Reads both anew; the job, if it still waits."""
        found = self._context.documents.get_many([job.path, printer.path])
        now = found.get(printer.path)
        if now is not None and _is_free(_candidate(self._context, now)):
            self.free[printer.id] = now
        else:
            del self.free[printer.id]
        again = found.get(job.path)
        return again if again is not None and again.data.get("turn") else None


def _begin(context: Context, document: Document, file: StoredPrintFile, where: Document, fitting: Fit) -> None:
    job, printer = Job.of(document), Printer.of(where)
    recipient = context.directory.recipient(printer.recipient_id)
    if recipient is None:
        raise Conflict("The printer's site is no more")
    note = {"printJobId": job.job_id, "productId": job.product_id}
    metadata: dict[str, Any] = {
        "fileName": file.file_name,
        "fileId": file.file_id,
        "useAms": fitting.use_ams,
        "amsMapping": list(fitting.ams_mapping),
        "expectedFilaments": _expected(printer, fitting),
        "unencryptedData": {name: value for name, value in note.items() if value is not None},
    }
    if file.kind == "3mf":
        metadata["plateIndex"] = plate_of(job, file)
    begin = parse_order("start_print", metadata, ())
    target = Target(printer.serial, printer.ip_address, printer.printer_id)
    draft = commands.draft(context, recipient, target, begin, NO_KEY)
    commands.start(context, Startable(job, document.version), draft, NO_KEY, Place(where, exactly=True))
    log("job_dispatched", printJobId=job.job_id, printerId=printer.printer_id, printerSerial=printer.serial)


def _expected(printer: Printer, fitting: Fit) -> list[dict[str, Any]]:
    """What the chosen trays hold, in the printer's own words: its agent looks again before it starts."""
    chosen = {*fitting.ams_mapping} if fitting.use_ams else {EXTERNAL}
    told = printer.state.status.get("loadedFilaments") if printer.state else None
    trays = [each for each in told or () if each.get("slot") in chosen and each.get("type")]
    return [{name: tray.get(name) for name in ("slot", "type", "color")} for tray in trays]


def _is_free(candidate: Candidate) -> bool:
    idle = candidate.online and not candidate.busy and candidate.plate_cleared
    return idle and candidate.active and candidate.reachable


def _in_turn(
    context: Context, page: Sequence[Document], running: Mapping[str | None, int]
) -> Iterator[tuple[Document, StoredPrintFile | None]]:
    """The page's jobs in the order in which they are to be begun, each with its file."""
    by_id = {each.id: Job.of(each) for each in page}
    documents = {each.id: each for each in page}
    files = _files(context, by_id.values())
    waiting = [
        Waiting(job.job_id, job.priority, job.ordered_by, job.queued_at or job.created_at) for job in by_id.values()
    ]
    for each in order(waiting, running):
        yield documents[each.job_id], files.get(str(by_id[each.job_id].file_id))


def _files(context: Context, found: Any) -> dict[str, StoredPrintFile]:
    paths = {jobs.file_path(context, job.file_id) for job in found if job.file_id}
    stored = context.documents.get_many(sorted(paths)) if paths else {}
    return {each.id: StoredPrintFile.of(each) for each in stored.values()}


def _printers(context: Context, organization_id: str) -> list[Document]:
    """The organization's printers that are in use."""
    found: list[Document] = []
    after = None
    while True:
        query = queries.active_printers_of_organization(context.collections, organization_id, after, _FLEET_PAGE)
        page = context.documents.query(query)
        found += [each for each in page if each.data.get("deletedAt") is None]
        if len(page) < _FLEET_PAGE:
            return found
        after = (page[-1].data["createdAt"], page[-1].id)


def _candidate(context: Context, document: Document) -> Candidate:
    printer = Printer.of(document)
    recipient = context.directory.recipient(printer.recipient_id)
    return Candidate.of(printer, context.now(), has_agent=recipient is not None and recipient.has_agent)


def _reasons(outcome: Fit | tuple[Reason, ...]) -> tuple[Reason, ...]:
    return () if isinstance(outcome, Fit) else outcome
