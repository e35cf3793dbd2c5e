"""What Printernizer's endpoints show of files."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.dialects.printernizer import Time
from printpipe.domain.file_records import Plate, PrintSettings
from printpipe.domain.job_records import Job
from printpipe.domain.printer_records import Printer
from printpipe.services.files.library import Entry

StatusWord = Literal["available", "downloading", "downloaded", "local", "error"]

_ICONS: Mapping[StatusWord, str] = {
    "available": "📁",
    "downloading": "⏳",
    "downloaded": "✓",
    "local": "💾",
    "error": "⚠",
}
_BASE = "/api/v1/files"


class Metadata(printernizer.Part):
    """What the file says of its first plate: seconds, mm, percent, °C."""

    estimated_print_time: int | None
    layer_height: float | None
    layer_count: int | None
    infill: float | None
    support_material: bool | None
    material_type: str | None
    nozzle_temperature: float | None
    bed_temperature: float | None


class FileView(printernizer.Part):
    """A file, wherever it is. `printer_path` is where it lies on its printer, `local_path` what our copy is called."""

    id: str
    printer_id: str | None
    printer_name: str | None
    filename: str
    file_size: int = Field(description="bytes")
    file_type: str
    status: StatusWord
    status_icon: str
    printer_path: str | None
    local_path: str | None
    created_on_printer: Time | None
    downloaded_at: Time | None
    last_accessed: Time | None
    download_url: str | None = Field(description="a POST copies the file from its printer; a GET gives what is stored")
    upload_url: str | None = Field(description="a POST copies the stored file to a printer")
    preview_url: str | None
    checksum: str | None
    metadata: Metadata


class RelatedJob(printernizer.Part):
    """A job that prints the file."""

    id: int
    status: printernizer.Word
    completed_at: Time | None


class FileDetails(FileView, printernizer.Reply):
    """All of a file; `message` is why its last download failed."""

    original_filename: str
    download_attempts: int
    message: str | None
    related_jobs: list[RelatedJob]


def file(entry: Entry) -> FileView:
    """A file in a list."""
    return FileView(**_fields(entry))


def details(entry: Entry, jobs: list[Job]) -> FileDetails:
    """A file by itself."""
    download = entry.download
    return FileDetails(
        **_fields(entry),
        original_filename=entry.name,
        download_attempts=max(1, download.attempt) if download else 0,
        message=download.error if download else None,
        related_jobs=[
            RelatedJob(id=each.number, status=printernizer.job_status(each.status), completed_at=each.ended_at)
            for each in jobs
        ],
    )


def shown_printer(printer: Printer | None) -> str | None:
    """What a printer is called by its id here."""
    return None if printer is None else printer.chosen_id or printer.printer_id


def _fields(entry: Entry) -> dict[str, Any]:
    stored, url = entry.stored, f"{_BASE}/{entry.file_id}"
    copied = stored is not None and stored.origin is not None
    pictured = stored is not None and any(plate.thumbnail_path for plate in stored.plates)
    return {
        "id": entry.file_id,
        "printer_id": shown_printer(entry.printer),
        "printer_name": entry.printer.name if entry.printer else None,
        "filename": entry.name,
        "file_size": entry.size,
        "file_type": entry.suffix,
        "status": entry.status,
        "status_icon": _ICONS[entry.status],
        "printer_path": entry.on_printer.path if entry.on_printer else None,
        "local_path": _local_path(entry),
        "created_on_printer": entry.on_printer.modified_at if entry.on_printer else None,
        "downloaded_at": stored.created_at if stored and copied else None,
        "last_accessed": entry.accessed_at,
        "download_url": f"{url}/download" if stored is not None or entry.on_printer is not None else None,
        "upload_url": f"{url}/upload" if stored is not None else None,
        "preview_url": f"{url}/preview" if pictured else None,
        "checksum": f"md5:{stored.md5}" if stored else None,
        "metadata": _metadata(entry),
    }


def _local_path(entry: Entry) -> str | None:
    stored = entry.stored
    if stored is None:
        return None
    if stored.origin is None:
        return f"/uploads/{stored.file_name}"
    return f"/downloads/{shown_printer(entry.printer)}/{stored.created_at.date()}/{stored.file_name}"


def _metadata(entry: Entry) -> Metadata:
    stored = entry.stored
    plate = stored.plates[0] if stored is not None and stored.plates else Plate(index=1)
    settings = (stored.settings if stored else None) or PrintSettings()
    return Metadata(
        estimated_print_time=plate.estimated_seconds,
        layer_height=settings.layer_height,
        layer_count=plate.layers,
        infill=settings.infill,
        support_material=settings.supports,
        material_type=plate.filament[0].type if plate.filament else None,
        nozzle_temperature=settings.nozzle_temperature,
        bed_temperature=settings.bed_temperature,
    )
