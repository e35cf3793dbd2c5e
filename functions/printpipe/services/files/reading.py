"""Reads stored print files a second time, out of their senders' way: their pictures, and what they left unsaid.

A file was checked before it was stored, and what dispatch goes by stands in its document from the beginning. Here its
plates' pictures are put where the document says that they will be, and the amounts of filament that the slicer did
not write down are counted. A job that ended before without a weight is counted anew.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from printpipe.domain.amounts import completed, is_complete
from printpipe.domain.errors import Unavailable
from printpipe.domain.file_records import Plate, StoredPrintFile
from printpipe.domain.lifecycles import ENDED_JOBS, JobStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, PreconditionFailed, Update, Write
from printpipe.domain.ports.files import FileExists, FileMissing
from printpipe.domain.print_files import DEFAULT_LIMITS, Extruded, cleaned_picture, inspect, read_extruded
from printpipe.services.context import Context
from printpipe.services.files import files
from printpipe.services.store import file_queries
from printpipe.services.store.effects import Effect

_TRIES = 5
_MOST_JOBS = 100


@dataclass(frozen=True)
class _Found:
    """What a file's content has of its plates, by their numbers: good pictures, and the filament that moves push."""

    pictures: Mapping[int, bytes] = field(default_factory=dict)
    extruded: Mapping[int, Extruded] = field(default_factory=dict)

    def told_by(self, plate: Plate) -> Plate:
        """The plate with what was found."""
        if plate.index not in self.pictures:
            plate = plate.model_copy(update={"thumbnail_path": None})
        return completed(plate, self.extruded[plate.index]) if plate.index in self.extruded else plate


def read(context: Context, file_id: str, effect: Effect) -> None:
    """Reads a file that was stored; nothing where it has been removed, or was read before.

    Raises `FileMissing` where its object is gone, and `InvalidInput` or `TooLarge` where that can be read no longer.
    """
    document = context.documents.get(files.path(context, file_id))
    file = StoredPrintFile.of(document) if document else None
    if document is None or file is None or file.read_at is not None:
        return
    if file.deleted_at is not None:
        files.discard(context, files.pictures(file))
        return
    try:
        found = _found(context, file)
    except FileMissing:
        if _is_removed(context.documents.get(document.path)):
            return
        raise
    for plate in file.plates:
        if plate.thumbnail_path and plate.index in found.pictures:
            # What is there already is another delivery's, out of the same file.
            with suppress(FileExists):
                picture = io.BytesIO(found.pictures[plate.index])
                context.platform.files.put(plate.thumbnail_path, picture, "image/png")
    _write(context, document, found, effect)


def _found(context: Context, file: StoredPrintFile) -> _Found:
    if not file.plates:  # no print file that we read
        return _Found()
    with context.platform.files.open(file.gcs_path) as stream:
        plates = inspect(stream, file.file_name).plates
        paths = {plate.index: plate.gcode_path for plate in plates}
        unsaid = {plate.index for plate in file.plates if plate.index in paths and not is_complete(plate)}
        extruded = read_extruded(stream, paths, unsaid) if unsaid else {}
    raw = {plate.index: plate.thumbnail for plate in plates if plate.thumbnail}
    pictures = {index: cleaned_picture(each, DEFAULT_LIMITS.thumbnail_side) for index, each in raw.items()}
    return _Found({index: each for index, each in pictures.items() if each}, extruded)


def _write(context: Context, document: Document, found: _Found, effect: Effect) -> None:
    """Notes what was read, unless the file is removed at the same time: then its pictures are too."""
    current: Document | None = document
    for _ in range(_TRIES):
        if current is None or _is_removed(current):
            files.discard(context, files.pictures(StoredPrintFile.of(document)))
            return
        file = StoredPrintFile.of(current)
        if file.read_at is not None:  # by another delivery, which has put the same
            return
        plates = tuple(map(found.told_by, file.plates))
        changes = {"plates": plates, "read_at": context.now()}
        fields = file.model_copy(update=changes).fields(changes)
        try:
            context.documents.commit(
                Update(current.path, fields, current.version),
                *_uncounted(context, file, plates),
                effect.note(context),
            )
        except PreconditionFailed:
            if effect.done(context):
                return
            current = context.documents.get(document.path)
            continue
        log("file_read", fileId=file.file_id, pictures=sum(each.thumbnail_path is not None for each in plates))
        return
    raise Unavailable("The file is being changed by others", retry_after=1)


def _uncounted(context: Context, file: StoredPrintFile, plates: Sequence[Plate]) -> list[Write]:
    """The writes that have jobs counted anew which ended while nobody knew what their plates weigh.

    A job that is being counted just now is written as well: who counts it begins again, and reads the file anew.
    """
    if all(before.weight_g or not after.weight_g for before, after in zip(file.plates, plates, strict=True)):
        return []
    query = file_queries.jobs_of_file(context.collections, file.organization_id, file.file_id, _MOST_JOBS)
    ended = [each for each in context.documents.query(query) if JobStatus(each.data["status"]) in ENDED_JOBS]
    return [
        Update(each.path, {"consumption": None, "updatedAt": context.now()}, each.version)
        for each in ended
        if not (each.data.get("consumption") or {}).get("milligrams")
    ]


def _is_removed(document: Document | None) -> bool:
    return document is None or document.data.get("deletedAt") is not None
