"""Our copies of files are removed: of one, or of several that nobody needs any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from printpipe.domain.errors import Conflict, DomainError, NotFound, Unavailable
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, DocumentChanged, Update, Write
from printpipe.services.context import Context
from printpipe.services.files import files, library, storage
from printpipe.services.files.storage import Located
from printpipe.services.jobs import jobs, steps
from printpipe.services.store import audit

_TRIES = 5


@dataclass(frozen=True)
class Cleaned:
    """Which files were removed, how many bytes that were, and why others were not."""

    removed: Sequence[str]
    freed: int
    failures: Mapping[str, str]


def remove(context: Context, file_id: str) -> bool:
    """Removes our copy of a file alone: what lies on a printer stays there, and whether any does is told.

    Raises `NotFound` where there is no copy, `Conflict` where somebody is still to print it.
    """
    located = storage.locate_stored(context, file_id)
    _remove_copy(context, located)
    return located.on_printer is not None


def _remove_copy(context: Context, located: Located) -> None:
    if located.stored is None:
        raise NotFound("There is no local copy of this file", field="file_id")
    for _ in range(_TRIES):
        document = context.documents.get(files.path(context, located.stored.file_id))
        if document is None or document.data.get("deletedAt") is not None:
            raise NotFound("There is no local copy of this file", field="file_id")
        stored = StoredPrintFile.of(document)
        try:
            context.documents.commit(*removing(context, document))
        except DocumentChanged:
            continue
        files.discard(context, objects_of(stored))
        log("file_deleted", fileId=stored.file_id, size=stored.size)
        return
    raise Unavailable("The file is being changed by others", retry_after=1)


def removing(context: Context, document: Document) -> list[Write]:
    """The writes that remove our copy of a file; its objects are to be removed after them.

    Raises `Conflict` where somebody is still to print it.
    """
    stored = StoredPrintFile.of(document)
    removed = {"deletedAt": context.now(), "status": "deleted"}
    noted = audit.entry(
        context,
        "file.deleted",
        stored.organization_id,
        subject=stored.file_id,
        recipient_id=stored.recipient_id,
        detail=stored.file_name,
    )
    return [Update(document.path, removed, document.version), *_unwanted_jobs(context, stored), noted]


def objects_of(stored: StoredPrintFile) -> list[str]:
    """What the bucket holds of a file: itself, and its plates' pictures."""
    return [stored.gcs_path, *files.pictures(stored)]


def clean(context: Context, file_ids: Sequence[str]) -> Cleaned:
    """Removes our copies of these files, each by itself."""
    removed, freed, failures = [], 0, dict[str, str]()
    for file_id in dict.fromkeys(file_ids):
        try:
            located = storage.locate_stored(context, file_id)
            _remove_copy(context, located)
        except Unavailable:
            raise
        except DomainError as error:
            failures[file_id] = error.message
            continue
        removed.append(file_id)
        freed += located.stored.size if located.stored else 0
    return Cleaned(removed, freed, failures)


def _unwanted_jobs(context: Context, stored: StoredPrintFile) -> list[Write]:
    """The writes that end the job that came with the file, if nobody asked for it. Raises `Conflict` for others."""
    writes: list[Write] = []
    for job in library.jobs_of(context, stored):
        if not JOBS[job.status]:
            continue
        if job.status != JobStatus.HELD or job.ordered_at is not None or job.run:
            raise Conflict(f"Job {job.number} is still to print this file", field="file_id")
        document = context.documents.get(jobs.path(context, job.job_id))
        if document is not None:
            step = steps.cancelled(context, document, "Its file was deleted")
            writes += [each for each in step.writes if each.path != files.path(context, stored.file_id)]
    return writes
