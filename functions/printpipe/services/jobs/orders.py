"""Print jobs as the people of an organization see them: ordered, listed, looked at, sent to the queue and removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from printpipe.domain import filaments
from printpipe.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.lifecycles import AT_THE_PRINTER, JOBS, JobStatus, Priority, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Document, PreconditionFailed, Query, Update, Write
from printpipe.domain.records import Job, Printer, StoredPrintFile, Wish
from printpipe.services.access import recipients
from printpipe.services.context import Context
from printpipe.services.files import uploads
from printpipe.services.files.uploads import Purpose
from printpipe.services.jobs import dispatch, jobs, queue
from printpipe.services.jobs.dispatch import Verdict
from printpipe.services.printers import printers
from printpipe.services.store import audit, paging, queries, receipts
from printpipe.services.store.commit import commit_new
from printpipe.services.store.paging import After, Page, Slice
from printpipe.services.store.queries import JobsOf

_TRIES = 10
_MAY_BE_SHOWN_LIVE = AT_THE_PRINTER | {JobStatus.CLAIMED, JobStatus.UNKNOWN}


@dataclass(frozen=True)
class Commission:
    """A print that somebody wants: of `file_id`, else of what lies behind `gcode_url`, else of the product's newest.

    `printer_id` is the one printer that is to print it. `recipient_id` is the site that gets a file from a URL, where
    no printer says it.
    """

    product_id: str
    printer_id: str | None = None
    file_id: str | None = None
    gcode_url: str | None = None
    recipient_id: str | None = None
    plate_index: int | None = None
    plates_requested: int = 1
    priority: Priority = Priority.NORMAL
    product_name: str | None = None
    use_ams: bool | None = None
    wishes: tuple[Wish, ...] = ()
    patience: timedelta | None = None


@dataclass(frozen=True)
class Wanted:
    """Which jobs a list shows; None leaves a condition out. A job is a printer's that was given to it or is to be."""

    statuses: Sequence[JobStatus] | None = None
    printer_id: str | None = None
    product_id: str | None = None
    priority: Priority | None = None
    created_by: str | None = None
    recipient_id: str | None = None

    def admits(self, job: Job) -> bool:
        """Whether the list shows the job."""
        pairs = (
            (self.printer_id, job.printer_id or job.wanted_printer_id),
            (self.product_id, job.product_id),
            (self.priority, job.priority),
            (self.created_by, job.ordered_by),
            (self.recipient_id, job.recipient_id),
        )
        return all(asked in (None, has) for asked, has in pairs)


@dataclass(frozen=True)
class Shown:
    """A job; what its printer showed last, while it is there; and, while it waits, what keeps it from each printer."""

    job: Job
    live: Mapping[str, Any] | None = None
    waits: Sequence[Verdict] | None = None


def create(context: Context, wish: Commission, once: Once) -> Job:
    """Orders a print: a held job until it is sent. A repetition gets the first one.

    The job that came with an upload becomes the first one of its file; every further one is a new job. Raises
    `NotFound` for a printer or a file that is not the organization's, `InvalidInput` for a plate or a
    filament that is not there.
    """
    tenant = context.tenant
    if repeated := _repeated(context, tenant, once):
        return repeated
    file, is_new = _file(context, tenant, wish, once)
    try:
        _check(file, wish)
    except InvalidInput:
        if is_new:  # nobody asked to keep it
            uploads.withdraw(context, file.file_id)
        raise
    for _ in range(_TRIES):
        job, stored = _ordered(context, file, wish, once)
        proof = audit.entry(context, "job.ordered", tenant, subject=job.job_id, recipient_id=job.recipient_id)
        receipt = receipts.issue(context, tenant, once, jobs.path(context, job.job_id))
        try:
            commit_new(context.documents, proof, *stored, *receipt)
        except PreconditionFailed:  # another one adopted the file's job, or it was begun; or this same call was faster
            if repeated := _repeated(context, tenant, once):
                return repeated
            continue
        log("job_ordered", printJobId=job.job_id, fileId=job.file_id, priority=job.priority.value)
        return job
    raise Unavailable("The job is being changed by others", retry_after=1)


def listed(context: Context, wanted: Wanted, part: Slice) -> Page[Job]:
    """The organization's jobs that are wanted, the newest first. A page of a rare kind may end before it is full."""

    def find(after: After | None, limit: int) -> list[Document]:
        return _found(context, wanted, after, limit)

    def parse(document: Document) -> Job | None:
        job = Job.of(document)
        return job if wanted.admits(job) else None

    return paging.sift(find, part, parse)


def show(context: Context, job_id: str) -> Shown:
    """A job of the organization. Raises `NotFound`."""
    return _shown(context, Job.of(jobs.own(context, job_id)))


def send(context: Context, job_id: str, printer_id: str | None, patience: timedelta | None, once: Once) -> Shown:
    """Sends a job to the queue, as `queue.send` does."""
    return _shown(context, queue.send(context, job_id, printer_id, patience, once))


def remove(context: Context, job_id: str) -> None:
    """Takes a job out of all lists; one that waits is cancelled with it.

    Raises `NotFound`, and `Conflict` for one that has been given to a printer or a client and has not ended.
    """
    for _ in range(_TRIES):
        document = jobs.own(context, job_id)
        job, step = Job.of(document), jobs.NO_STEP
        if JOBS[job.status]:
            if job.status not in (JobStatus.HELD, JobStatus.QUEUED) or job.command_id is not None:
                raise Conflict(f"The job is {job.status}: cancel it first", detail=job.status.value)
            step = jobs.cancelled(context, document)
        gone = {"deletedAt": context.now(), "updatedAt": context.now()}
        done = audit.entry(context, "job.deleted", job.organization_id, subject=job_id, recipient_id=job.recipient_id)
        try:
            context.documents.commit(*_with_fields(document, step.writes, gone), done)
        except PreconditionFailed:
            continue
        step.note()
        log("job_deleted", printJobId=job_id)
        return
    raise Unavailable("The job is being changed by others", retry_after=1)


def _with_fields(document: Document, writes: Sequence[Write], fields: Mapping[str, Any]) -> list[Write]:
    """The writes, the first of which is the document's own if there is any, with more fields of that document."""
    if not writes:
        return [Update(document.path, fields, document.version)]
    first, *others = writes
    assert isinstance(first, Update)
    return [replace(first, fields={**first.fields, **fields}), *others]


def _repeated(context: Context, tenant: str, once: Once) -> Job | None:
    first = receipts.find(context, tenant, once)
    if first is None:
        return None
    job = Job.of(first.created)
    if job.deleted_at is not None:
        raise Conflict("What this idempotency key created is there no longer", field="Idempotency-Key")
    return job


def _file(context: Context, tenant: str, wish: Commission, once: Once) -> tuple[StoredPrintFile, bool]:
    """The file to print, and whether it was taken in for this."""
    printer = Printer.of(printers.own(context, wish.printer_id)) if wish.printer_id else None
    if wish.file_id:
        stored = context.documents.get(jobs.file_path(context, wish.file_id))
        if stored is None or stored.data["organizationId"] != tenant:
            raise NotFound("No such file", field="file_id")
        return StoredPrintFile.of(stored), False
    if wish.gcode_url:
        site = recipients.chosen(context, printer.recipient_id if printer else wish.recipient_id)
        known = uploads.own_file(context, site, wish.gcode_url)
        if known is not None:
            return known, False
        context.require("files.write")
        purpose = Purpose(site.id, wish.product_id)
        return uploads.store_from_url(context, purpose, wish.gcode_url, _of_its_file(once)).file, True
    query = queries.newest_files_of_product_anywhere(context.collections, tenant, wish.product_id, 1)
    found = context.documents.query(query)
    if not found:
        raise NotFound("The product has no file", field="product_id")
    return StoredPrintFile.of(found[0]), False


def _check(file: StoredPrintFile, wish: Commission) -> None:
    """Raises `InvalidInput` for a plate, or a filament of those to be printed, that the file does not have."""
    plates = [each for each in file.plates if wish.plate_index in (None, each.index)]
    if wish.plate_index is not None and not plates:
        raise InvalidInput("The file has no such plate", field="plate_index")
    known: dict[int, str] = {}
    for plate in plates:
        said = filaments.numbered(plate)
        if not said:
            return  # whichever number is meant, it is that of a filament of which the file says nothing
        known |= {number: " ".join(filter(None, (each.type, each.color))) for number, each in said.items()}
    for index, each in enumerate(wish.wishes):
        if known and each.slot not in known:
            named = ", ".join(f"{number} ({text})" if text else str(number) for number, text in sorted(known.items()))
            where = "The plate" if wish.plate_index else "The file"
            field = f"ams_configuration.slots.{index}.slot_number"
            raise InvalidInput(f"{where} has no such filament; its filaments are {named}", field=field)


def _of_its_file(once: Once) -> Once:
    """By which the file is known again that a call takes in beside what it creates."""
    return replace(once, route=f"{once.route} file")


def _ordered(context: Context, file: StoredPrintFile, wish: Commission, once: Once) -> tuple[Job, list[Write]]:
    """The job as ordered, and what is to be written: the file's own job, where nobody has had that, or a new one."""
    standing = context.documents.get(jobs.path(context, file.file_id))
    fields = _fields(context, wish)
    if standing is not None and _is_nobodys(Job.of(standing)):
        job = Job.of(standing).model_copy(update=fields)
        return job, [Update(standing.path, job.fields(fields), standing.version)]
    new = jobs.new(context, file).model_copy(update={**fields, "job_id": once.new_id(file.organization_id)})
    listed_as = {"newestJobId": new.job_id, "status": file_status(JobStatus.HELD)}
    return new, [
        Create(jobs.path(context, new.job_id), new.data()),
        Update(jobs.file_path(context, file.file_id), listed_as),
    ]


def _is_nobodys(job: Job) -> bool:
    return job.status == JobStatus.HELD and job.ordered_at is None and job.run == 0


def _fields(context: Context, wish: Commission) -> dict[str, Any]:
    now = context.now()
    return {
        "product_id": wish.product_id,
        "product_name": wish.product_name,
        "priority": wish.priority,
        "wanted_printer_id": wish.printer_id,
        "plate_index": wish.plate_index,
        "plates_requested": wish.plates_requested,
        "use_ams": wish.use_ams,
        "wishes": wish.wishes,
        "patience_seconds": None if wish.patience is None else int(wish.patience.total_seconds()),
        "ordered_by": context.caller.user_id,
        "ordered_at": now,
        "created_at": now,
        "updated_at": now,
        "request_id": context.request_id,
    }


def _found(context: Context, wanted: Wanted, after: After | None, limit: int) -> list[Document]:
    """Jobs among which the wanted ones are: the store looks for states and for one thing more."""
    documents = [each for query in _questions(context, wanted, after, limit) for each in context.documents.query(query)]
    documents.sort(key=lambda each: (each.data["createdAt"], each.id), reverse=True)
    return documents[:limit]


def _questions(context: Context, wanted: Wanted, after: After | None, limit: int) -> list[Query]:
    collections, tenant = context.collections, context.tenant
    statuses = None if wanted.statuses is None else [each.value for each in wanted.statuses]
    if wanted.product_id is not None:
        of: JobsOf | None = ("productId", wanted.product_id)
        return [queries.jobs_of_organization(collections, tenant, statuses, of, after, limit)]
    if wanted.printer_id is not None:
        of = ("printerId", wanted.printer_id)
        return [
            queries.jobs_of_organization(collections, tenant, statuses, of, after, limit),
            queries.jobs_that_want_printer(collections, tenant, statuses, wanted.printer_id, after, limit),
        ]
    of = ("recipientId", wanted.recipient_id) if wanted.recipient_id is not None else None
    if wanted.created_by is not None:
        of = ("orderedBy", wanted.created_by)
    return [queries.jobs_of_organization(collections, tenant, statuses, of, after, limit)]


def _shown(context: Context, job: Job) -> Shown:
    if job.turn is not None:
        return Shown(job, waits=dispatch.verdicts(context, job))
    if job.printer_id is None or job.status not in _MAY_BE_SHOWN_LIVE:
        return Shown(job)
    document = context.documents.get(printers.path(context, job.printer_id))
    state = Printer.of(document).state if document else None
    return Shown(job, live=state.status if state else None)
