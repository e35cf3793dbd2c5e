"""What happens, as messages: over a WebSocket and as server-sent events alike."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.job_progress import progress_in, progress_of
from printpipe.domain.job_records import Job, Progress
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Event
from printpipe.domain.temperatures import Temperatures
from printpipe.domain.transfers import Transfer, TransferStatus
from printpipe.endpoints import printernizer_file_views, printernizer_printer_views
from printpipe.endpoints.printernizer_printer_views import TemperaturesView
from printpipe.services.live.changes import Change
from printpipe.services.printers import contacts

MOST_NAMES = 100
"""Printers that may be asked for at once."""

LONGEST_SECONDS = 3300.0
"""How long a connection lasts: it ends in good order before the platform cuts it off."""

_SILENT = ("offline", "configuring")


class PrinterStatus(printernizer.Part):
    """`printer_status`: what a printer does now; progress in percent, remaining time in seconds."""

    printer_id: str
    name: str | None
    status: Literal["configuring", "offline", "idle", "printing", "paused", "error"]
    progress: float | None
    layer_current: int | None
    layer_total: int | None
    estimated_remaining: int | None
    temperatures: TemperaturesView
    is_active: bool
    last_seen: printernizer.Time | None


class JobUpdate(printernizer.Part):
    """`job_update`: where a job stands; progress in percent, remaining time in seconds."""

    job_id: int
    job_name: str | None
    printer_id: str | None
    status: printernizer.Word
    progress: float | None
    layer_current: int | None
    layer_total: int | None
    estimated_remaining: int | None
    start_time: printernizer.Time | None
    end_time: printernizer.Time | None
    message: str | None


class FileUpdate(printernizer.Part):
    """`file_update`: how far a file's way from or to its printer is; bytes of the present attempt."""

    download_id: str
    file_id: str | None
    printer_id: str
    filename: str
    direction: Literal["download", "upload"]
    status: Literal["downloading", "uploading", "completed", "failed"]
    progress: float
    bytes_downloaded: int
    bytes_total: int | None
    attempt: int
    error: printernizer_file_views.Trouble | None


class SystemAlert(printernizer.Part):
    """`system_alert`: what somebody should know of."""

    alert_id: str
    kind: str = Field(description="hms_error or job_failed")
    severity: str
    message: str
    printer_id: str | None
    job_id: int | None
    code: str | None = Field(description="of an HMS error")
    occurred_at: printernizer.Time


class Message(printernizer.Part):
    """A message."""

    type: str
    timestamp: printernizer.Time
    data: PrinterStatus | JobUpdate | FileUpdate | SystemAlert | dict[str, Any]


def message(change: Change, now: datetime) -> Message:
    """What is told of a change."""
    match change.record:
        case Printer() as printer:
            return Message(type="printer_status", timestamp=change.at, data=_printer(printer, now))
        case Job() as job:
            return Message(type="job_update", timestamp=change.at, data=_job(job, change.printer))
        case Transfer() as transfer:
            return Message(type="file_update", timestamp=change.at, data=_transfer(transfer, change.printer))
        case Event() as event:
            return Message(type="system_alert", timestamp=change.at, data=_alert(event, change))


def names(text: str | None) -> frozenset[str] | None:
    """The printers of a list with commas; None where nobody is named."""
    return frozenset(each.strip() for each in (text or "").split(",") if each.strip()) or None


def _printer(printer: Printer, now: datetime) -> PrinterStatus:
    condition = contacts.condition(printer, now)
    status = printer.state.status if printer.state and condition not in _SILENT else {}
    progress = progress_in(status) if condition in ("online", "paused") else Progress()
    return PrinterStatus(
        printer_id=printernizer_printer_views.name_of(printer),
        name=printer.name,
        status="printing" if condition == "online" else condition,
        progress=progress.percent,
        layer_current=progress.layer,
        layer_total=progress.total_layers,
        estimated_remaining=progress.remaining_seconds,
        temperatures=TemperaturesView(**asdict(Temperatures.of(status))),
        is_active=printer.active,
        last_seen=printer.state.received_at if printer.state else None,
    )


def _job(job: Job, printer: Printer | None) -> JobUpdate:
    status = printer.state.status if printer and printer.state and JOBS[job.status] else None
    word = printernizer.job_status(job.status)
    progress = Progress(percent=0.0) if word == "queued" else progress_of(job, status)
    return JobUpdate(
        job_id=job.number,
        job_name=job.file_name or job.product_name,
        printer_id=printernizer_printer_views.name_of(printer) if printer else job.printer_id,
        status=word,
        progress=100.0 if job.status == JobStatus.COMPLETED else progress.percent,
        layer_current=progress.layer,
        layer_total=progress.total_layers,
        estimated_remaining=progress.remaining_seconds,
        start_time=job.started_at,
        end_time=job.ended_at,
        message=job.message or job.reason,
    )


def _transfer(transfer: Transfer, printer: Printer | None) -> FileUpdate:
    fetched = transfer.kind == "fetch"
    word = printernizer_file_views.word(transfer.status)
    return FileUpdate(
        download_id=transfer.transfer_id,
        file_id=transfer.file_id or transfer.printer_file_id,
        printer_id=printernizer_printer_views.name_of(printer) if printer else transfer.printer_id,
        filename=transfer.file_name,
        direction="download" if fetched else "upload",
        status="uploading" if word == "downloading" and not fetched else word,
        progress=printernizer_file_views.percent(transfer),
        bytes_downloaded=transfer.bytes_done,
        bytes_total=transfer.bytes_total,
        attempt=transfer.attempt,
        error=None if transfer.status == TransferStatus.COMPLETED else printernizer_file_views.trouble(transfer),
    )


def _alert(event: Event, change: Change) -> SystemAlert:
    hms = event.hms or {}
    said = event.message or hms.get("description") or hms.get("hmsCode")
    return SystemAlert(
        alert_id=event.event_id,
        kind=event.event_type,
        severity=str(hms.get("severity") or "error"),
        message=str(said or event.event_type),
        printer_id=printernizer_printer_views.name_of(change.printer) if change.printer else event.printer_serial,
        job_id=change.job.number if change.job else None,
        code=hms.get("hmsCode"),
        occurred_at=event.occurred_at,
    )
