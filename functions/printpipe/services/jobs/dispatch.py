"""Which waiting job goes to which printer, or why none fits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from printpipe.domain.colors import code_of
from printpipe.domain.commands import Order, parse_order
from printpipe.domain.errors import Conflict, InvalidInput, NotFound, RateLimited, Unavailable
from printpipe.domain.filaments import EXTERNAL
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.fitting import Candidate, Fit, Needs, Waiting, fit, order
from printpipe.domain.ids import NO_KEY
from printpipe.domain.job_records import Job
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Document, DocumentChanged
from printpipe.domain.printer_records import Printer
from printpipe.domain.reasons import Reason, ReasonCode
from printpipe.services.commands import commands
from printpipe.services.commands.commands import Target
from printpipe.services.context import Context
from printpipe.services.jobs import jobs
from printpipe.services.jobs.starts import Place, Startable, is_overdue
from printpipe.services.store import queries

_LOOKED_AT = 500
"""Waiting jobs among which users take turns; the next ones are looked at only while a printer is still free."""

_FILES_AT_ONCE = 50
_FLEET_PAGE = 300
_TRIES = 3


@dataclass(frozen=True)
class Verdict:
    """What keeps a job from a printer: that it has to wait for its turn, where it fits."""

    printer: Printer
    reasons: tuple[Reason, ...]


def serve(context: Context, organization_id: str) -> int:
    """Gives an organization's free printers the jobs whose turn it is, as far as they fit; how many were begun.

    Two at once do no harm: a run has one claim, and a printer takes a job only as it was read.
    """
    if context.directory.is_leaving(organization_id):
        return 0
    page = context.documents.query(queries.waiting_jobs(context.collections, organization_id, None, _LOOKED_AT))
    if not page:  # as after most prints; a large fleet is read for those who wait for it alone
        return 0
    fleet, begun = _Fleet(context, organization_id), 0
    while fleet.free:
        for job, file in _in_turn(context, page, fleet.running):
            begun += fleet.place(job, file)
            if not fleet.free:
                break
        if len(page) < _LOOKED_AT:
            break
        after = (page[-1].data["turn"], page[-1].id)
        page = context.documents.query(queries.waiting_jobs(context.collections, organization_id, after, _LOOKED_AT))
    return begun


def serve_if_possible(context: Context, organization_id: str) -> None:
    """Serves the queue beside something else, which stands though this should fail: it is done by the schedule then."""
    try:
        serve(context, organization_id)
    except Exception:
        log_failure("queue_not_served", organizationId=organization_id)


def verdicts(context: Context, job: Job) -> list[Verdict]:
    """For each of the organization's printers, what keeps the waiting job from it."""
    file = _files(context, [job]).get(str(job.file_id))
    needs, found = needed(job, file), []
    for berth in _berths(context, job.organization_id, in_use=None):
        outcome = fit(needs, berth.candidate)
        reasons = _refusal(job, file, berth, outcome) if isinstance(outcome, Fit) else outcome
        found.append(Verdict(berth.printer, reasons))
    return found


def hindrances(job: Job, found: Sequence[Verdict]) -> tuple[Reason, ...]:
    """What keeps the job from every printer."""
    if job.wanted_printer_id and job.wanted_printer_id not in {each.printer.printer_id for each in found}:
        return (Reason(ReasonCode.WANTED_PRINTER_GONE),)
    return () if found else (Reason(ReasonCode.NO_PRINTERS),)


def organizations_waiting(context: Context, after: str | None) -> Iterator[str]:
    """The organizations whose jobs wait, by their ids, behind one; each costs a read."""
    while found := context.documents.query(queries.next_waiting_organization(context.collections, after)):
        after = str(found[0].data["organizationId"])
        yield after


def needed(job: Job, file: StoredPrintFile | None) -> Needs:
    """What the job's next run needs of a printer."""
    return Needs.of(job, file, plate_of(job, file))


def plate_of(job: Job, file: StoredPrintFile | None) -> int:
    """The plate of the job's next run: the one that its owner named, or else the file's plates by turns."""
    if job.plate_index is not None:
        return job.plate_index
    plates = [plate.index for plate in file.plates] if file else []
    return plates[job.plates_completed % len(plates)] if plates else 1


@dataclass(frozen=True)
class _Berth:
    """A printer as it was read, and what that means for jobs."""

    document: Document
    printer: Printer
    candidate: Candidate

    @property
    def is_free(self) -> bool:
        """Whether it can begin a job now, if one fits."""
        idle = self.candidate.online and not self.candidate.busy and self.candidate.plate_cleared
        return idle and self.candidate.active and self.candidate.reachable


class _Fleet:
    """An organization's printers during one distribution: which are free, and who has jobs at them."""

    def __init__(self, context: Context, organization_id: str) -> None:
        self._context = context
        found = _berths(context, organization_id, in_use=True)
        self.free = {each.document.id: each for each in found if each.is_free}
        self.running = Counter(occupant.by for each in found for occupant in each.printer.occupants.values())

    def place(self, document: Document, file: StoredPrintFile | None) -> bool:
        """Begins the job's next run at the free printer that suits it best; whether there was one."""
        for _ in range(_TRIES):
            job = Job.of(document)
            if is_overdue(job, self._context.now()):
                return False
            needs = needed(job, file)
            chosen = self._choose(needs)
            if chosen is None or file is None:
                return False
            berth, fitting = chosen
            place = berth.document
            try:
                _begin(self._context, document, file, berth, fitting)
            except (Conflict, Unavailable):
                return False  # another dispatcher's, or cancelled
            except (InvalidInput, NotFound) as error:
                log("job_not_orderable", printJobId=job.job_id, printerId=place.id, why=error.message)
                return False
            except RateLimited:
                del self.free[place.id]
                continue
            except DocumentChanged:
                again = self._again(document, place)
                if again is None:
                    return False
                document = again
                continue
            del self.free[place.id]
            return True
        return False

    def _choose(self, needs: Needs) -> tuple[_Berth, Fit] | None:
        """The printer that fits and has the least loaded besides: what can do more is kept for what needs more."""
        found = [
            (len(each.candidate.loaded or ()), each.document.id, each, fitting)
            for each in self.free.values()
            if isinstance(fitting := fit(needs, each.candidate), Fit)
        ]
        return min(found, key=lambda each: each[:2])[2:] if found else None

    def _again(self, job: Document, printer: Document) -> Document | None:
        """Reads both anew; the job, if it still waits."""
        found = self._context.documents.get_many([job.path, printer.path])
        del self.free[printer.id]
        now = found.get(printer.path)
        if now is not None and (berth := _berth(self._context, now)).is_free:
            self.free[printer.id] = berth
        again = found.get(job.path)
        return again if again is not None and again.data.get("turn") else None


def _begin(context: Context, document: Document, file: StoredPrintFile, where: _Berth, fitting: Fit) -> None:
    job, printer = Job.of(document), where.printer
    recipient = context.directory.recipient(printer.recipient_id)
    if recipient is None:
        raise Conflict("The printer's site is no more")
    target = Target(printer.serial, printer.ip_address, printer.printer_id)
    draft = commands.draft(context, recipient, target, _order(job, file, where, fitting), NO_KEY)
    traced = job.traceparent or draft.traceparent  # a start belongs to its job, whoever sees that a printer is free
    draft = draft.model_copy(update={"awaits_plate": True, "traceparent": traced})
    commands.start(context, Startable(job, document.version), draft, NO_KEY, Place(where.document, exactly=True))
    log("job_dispatched", printJobId=job.job_id, printerId=printer.printer_id, printerSerial=printer.serial)


def _order(job: Job, file: StoredPrintFile, where: _Berth, fitting: Fit) -> Order:
    """The start that the job's next run begins with. Raises `InvalidInput` where no start can say it."""
    note = {"printJobId": job.job_id, "productId": job.product_id}
    metadata: dict[str, Any] = {
        "fileName": file.file_name,
        "fileId": file.file_id,
        "useAms": fitting.use_ams,
        "amsMapping": list(fitting.ams_mapping),
        "expectedFilaments": _expected(where.candidate, fitting),
        "unencryptedData": {name: value for name, value in note.items() if value is not None},
    }
    if file.kind == "3mf":
        metadata["plateIndex"] = plate_of(job, file)
    return parse_order("start_print", metadata, ())


def _expected(candidate: Candidate, fitting: Fit) -> list[dict[str, Any]]:
    """What the chosen trays hold, for the agent to look at again before it starts: it may be changed by then."""
    chosen = {*fitting.ams_mapping} if fitting.use_ams else {EXTERNAL}
    trays = [each for each in candidate.loaded or () if each.slot in chosen and each.type]
    return [{"slot": each.slot, "type": each.type, "color": code_of(each.color)} for each in trays]


def _refusal(job: Job, file: StoredPrintFile | None, where: _Berth, fitting: Fit) -> tuple[Reason, ...]:
    """Why the start would be refused of a job that fits; else that it has to wait for its turn."""
    assert file is not None
    try:
        _order(job, file, where, fitting)
    except InvalidInput as error:
        return (Reason(ReasonCode.START_REFUSED, error.message),)
    return (Reason(ReasonCode.WAITING_FOR_ITS_TURN),)


def _in_turn(
    context: Context, page: Sequence[Document], running: Mapping[str | None, int]
) -> Iterator[tuple[Document, StoredPrintFile | None]]:
    """The page's jobs in the order in which they are to be begun, each with its file."""
    by_id = {each.id: Job.of(each) for each in page}
    documents = {each.id: each for each in page}
    waiting = [
        Waiting(job.job_id, job.priority, job.ordered_by, job.queued_at or job.created_at) for job in by_id.values()
    ]
    ordered = [each.job_id for each in order(waiting, running)]
    for begin in range(0, len(ordered), _FILES_AT_ONCE):
        some = ordered[begin : begin + _FILES_AT_ONCE]
        files = _files(context, [by_id[job_id] for job_id in some])
        for job_id in some:
            yield documents[job_id], files.get(str(by_id[job_id].file_id))


def _files(context: Context, found: Sequence[Job]) -> dict[str, StoredPrintFile]:
    paths = {jobs.file_path(context, job.file_id) for job in found if job.file_id}
    stored = context.documents.get_many(sorted(paths)) if paths else {}
    return {each.id: StoredPrintFile.of(each) for each in stored.values()}


def _berths(context: Context, organization_id: str, in_use: bool | None) -> list[_Berth]:
    """The organization's printers: those in use, or all."""
    found: list[_Berth] = []
    after = None
    while True:
        query = queries.printers_of_organization(context.collections, organization_id, in_use, _FLEET_PAGE, after)
        page = context.documents.query(query)
        found += [_berth(context, each) for each in page]
        if len(page) < _FLEET_PAGE:
            return found
        after = (page[-1].data["createdAt"], page[-1].id)


def _berth(context: Context, document: Document) -> _Berth:
    printer = Printer.of(document)
    recipient = context.directory.recipient(printer.recipient_id)
    has_agent = recipient is not None and recipient.has_agent
    return _Berth(document, printer, Candidate.of(printer, context.now(), has_agent=has_agent))
