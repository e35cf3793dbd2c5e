"""Prints that people want: each becomes a held job, the file's own one or another."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from printpipe.domain import filaments
from printpipe.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Job, Wish
from printpipe.domain.lifecycles import JobStatus, Priority, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import PreconditionFailed, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.services.access import recipients
from printpipe.services.context import Context
from printpipe.services.files import uploads
from printpipe.services.files.uploads import Purpose
from printpipe.services.jobs import jobs
from printpipe.services.printers import printers
from printpipe.services.store import audit, queries, receipts
from printpipe.services.store.commit import commit_new

_TRIES = 10


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
        if stored is None or stored.data["organizationId"] != tenant or stored.data.get("deletedAt") is not None:
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
        *jobs.creation(context, new),
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
        "traceparent": context.traceparent,
    }
