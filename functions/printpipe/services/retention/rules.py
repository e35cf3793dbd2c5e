"""How long what is kept: one table, a row for each kind of thing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from printpipe.domain.errors import Conflict
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import COMMANDS, JOBS, CommandStatus, UploadStatus
from printpipe.domain.policy import Collections, Retention
from printpipe.domain.ports.documents import Delete, Document, Query, Write
from printpipe.domain.processing import REMEMBERED
from printpipe.domain.transfers import TransferStatus
from printpipe.services.context import Context
from printpipe.services.files import removal, upload_ends
from printpipe.services.jobs import jobs
from printpipe.services.store import file_queries, repetition
from printpipe.services.store.retention_queries import (
    DATED_BY,
    After,
    Dated,
    dated_before,
    files_removed_before,
    files_stored_before,
    uploads_overdue,
)

AFTERWARDS = timedelta(days=2)
"""How long the store itself has to remove what has a time to expire; the sweep then removes what is left."""

DELIVERIES_KEPT = timedelta(days=30)
UPLOAD_GRACE = timedelta(hours=1)
"""How long after its time an upload may still be under way."""

_MOST_TRANSFERS = 20


@dataclass(frozen=True)
class Going:
    """What is written when something goes, and which objects of the bucket go before that, and which afterwards.

    An object goes before the document that alone names it; but afterwards where somebody may keep it by being faster.
    """

    writes: Sequence[Write]
    before: Sequence[str] = ()
    afterwards: Sequence[str] = ()


@dataclass(frozen=True)
class Rule:
    """Which documents have had their time: `find` tells those of before a moment, `date` the field that says so.

    `going` tells what goes with one; None where it stays for now.
    """

    name: str
    age: Callable[[Retention], timedelta]
    find: Callable[[Collections, datetime, After, int], Query]
    date: str
    going: Callable[[Context, Document], Going | None]


def objects_of(kind: str, data: Mapping[str, Any]) -> Iterator[str]:
    """The objects of the bucket that a collection's document names."""
    match kind:
        case "files":
            yield data["gcsPath"]
            yield from (plate["thumbnailPath"] for plate in data.get("plates") or () if plate.get("thumbnailPath"))
        case "uploads":
            yield data["gcsPath"]
        case "transfers" if data.get("objectName"):
            yield data["objectName"]
        case "printers" if data.get("picture"):
            yield data["picture"]["gcsPath"]
        case "printer_events" if data.get("image"):
            yield data["image"]["gcsPath"]


def claims_of(context: Context, job: Mapping[str, Any]) -> list[str]:
    """Where it is noted to whom the runs of a job were given."""
    return [f"{context.collections.claims}/{job['jobId']}_{run}" for run in range(1, job.get("run", 0) + 1)]


def _whole(kind: str, context: Context, document: Document) -> Going:
    return Going([Delete(document.path, document.version)], list(objects_of(kind, document.data)))


def _command(context: Context, document: Document) -> Going | None:
    status = CommandStatus(document.data["status"])
    return (
        None if COMMANDS[status] and status != CommandStatus.UNKNOWN else _whole("printer_commands", context, document)
    )


def _incident(context: Context, document: Document) -> Going | None:
    return None if document.data["status"] == "open" else _whole("incidents", context, document)


def _transfer(context: Context, document: Document) -> Going | None:
    """A completed one's object is the file's."""
    status = TransferStatus(document.data["status"])
    kind = "" if status == TransferStatus.COMPLETED else "transfers"
    return _whole(kind, context, document) if status.is_over else None


def _upload(context: Context, document: Document) -> Going | None:
    """Likewise. The object of one that has failed may have been put there since."""
    status = UploadStatus(document.data["status"])
    kind = "uploads" if status == UploadStatus.FAILED else ""
    return None if status == UploadStatus.UPLOADING else _whole(kind, context, document)


def _overdue_upload(context: Context, document: Document) -> Going:
    return Going(upload_ends.lapse(context, document), afterwards=[document.data["gcsPath"]])


def _unused_file(context: Context, document: Document) -> Going | None:
    """One that is printed, or on its way to a printer, stays, and so does one that was lately."""
    file, cutoff = StoredPrintFile.of(document), context.now() - context.policy.retention.files
    if file.accessed_at is not None and file.accessed_at >= cutoff:
        return None
    sent = file_queries.newest_transfers(
        context.collections, file.organization_id, ("fileId", file.file_id), None, _MOST_TRANSFERS
    )
    if any(each.data["active"] or each.data["updatedAt"] >= cutoff for each in context.documents.query(sent)):
        return None
    newest = file_queries.jobs_of_file(context.collections, file.organization_id, file.file_id, _MOST_TRANSFERS)
    for job in map(Job.of, context.documents.query(newest)):
        if (job.ended_at or job.updated_at) >= cutoff:
            return None
    try:
        return Going(removal.removing(context, document), afterwards=removal.objects_of(file))
    except Conflict:
        return None


def _ended_job(context: Context, document: Document) -> Going | None:
    """With its claims, its other names and what was counted of it; the sums stand."""
    job = Job.of(document)
    if JOBS[job.status]:
        return None
    entry = f"{context.collections.statistics_entries}/{job.job_id}"
    paths = [*claims_of(context, document.data), *jobs.aliases(context, job), entry]
    return Going([Delete(document.path, document.version), *map(Delete, paths)])


def _dated(
    kind: Dated,
    age: Callable[[Retention], timedelta],
    going: Callable[[Context, Document], Going | None] | None = None,
) -> Rule:
    def find(collections: Collections, before: datetime, after: After, limit: int) -> Query:
        return dated_before(collections, kind, before, after, limit)

    return Rule(kind, age, find, DATED_BY.get(kind, "createdAt"), going or partial(_whole, kind))


RULES: Sequence[Rule] = (
    _dated("printer_status_updates", lambda kept: kept.history),
    _dated("printer_events", lambda kept: kept.events),
    _dated("incidents", lambda kept: kept.events, _incident),
    _dated("printer_commands", lambda kept: kept.events, _command),
    _dated("dead_letters", lambda kept: kept.events),
    _dated("transfers", lambda kept: kept.events, _transfer),
    Rule("overdue_uploads", lambda _: UPLOAD_GRACE, uploads_overdue, "expiresAt", _overdue_upload),
    _dated("uploads", lambda kept: kept.files, _upload),
    Rule("unused_files", lambda kept: kept.files, files_stored_before, "createdAt", _unused_file),
    Rule("removed_files", lambda kept: kept.jobs, files_removed_before, "deletedAt", partial(_whole, "files")),
    _dated("print_jobs", lambda kept: kept.jobs, _ended_job),
    _dated("audit_log", lambda kept: kept.audit),
    _dated("notification_deliveries", lambda _: DELIVERIES_KEPT + AFTERWARDS),
    _dated("processed_events", lambda _: REMEMBERED + AFTERWARDS),
    _dated("idempotency_keys", lambda _: repetition.LIFETIME + AFTERWARDS),
    _dated("socket_tickets", lambda _: AFTERWARDS),
    _dated("enrollment_codes", lambda _: AFTERWARDS),
)
"""What each run goes through. What is in no row stays: settings, what people made, and the sums of the statistics."""
