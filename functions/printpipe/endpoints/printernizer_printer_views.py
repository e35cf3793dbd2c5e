"""How a printer looks in the dialect `printernizer`."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.filaments import EXTERNAL, loaded_of
from printpipe.domain.job_progress import progress_of
from printpipe.domain.job_records import Job, Progress
from printpipe.domain.printer_records import OnFatal, Printer
from printpipe.domain.temperatures import Temperatures
from printpipe.endpoints.printernizer_printer_fields import ON_FATAL, Type, type_of
from printpipe.services.printers.contacts import Condition, Connection
from printpipe.services.printers.overview import Detail, Glance
from printpipe.services.statistics.overview import Totals

_CELSIUS = "°C; null where it is not known, as while the printer is offline"
_MILLIGRAMS = 1_000_000
"""Of a kilogram."""


class CurrentJob(printernizer.Part):
    """The job that was given to a printer first of those that have not ended."""

    id: int
    name: str | None
    status: printernizer.Word
    progress: float | None = Field(description="percent")
    layer_current: int | None
    layer_total: int | None
    estimated_remaining: int | None = Field(description="seconds")
    started_at: printernizer.Time | None


class TemperaturesView(printernizer.Part):
    """What a printer measured last, in °C."""

    nozzle: float | None = Field(description=_CELSIUS)
    nozzle_target: float | None
    bed: float | None
    bed_target: float | None
    chamber: float | None


class Statistics(printernizer.Part):
    """What a printer has printed."""

    total_jobs: int = Field(description="that have ended")
    successful_jobs: int
    failed_jobs: int
    total_print_time: int = Field(description="seconds")
    material_used_total: float = Field(description="kg")


class Capabilities(printernizer.Part):
    """What a printer can do, as far as its maker and its reports tell."""

    has_camera: bool
    has_ams: bool
    supports_remote_control: bool


class PrinterEntry(printernizer.Part):
    """A printer in a list."""

    id: str = Field(description="the one that was chosen for it, else ours")
    name: str | None
    type: Type | None = Field(description="null for another maker's printer")
    model: str | None
    ip_address: str | None
    serial_number: str | None
    recipient_id: str = Field(description="the site at which it stands")
    status: Condition = Field(
        description=(
            "what it does now. online: it prints, or prepares to; idle: it could; paused; error: its print failed and "
            "it reports a fault; offline: nothing was heard of it for 12 minutes; configuring: it was entered just now"
        )
    )
    connection_status: Connection = Field(
        description=(
            "testing: the site's agent is asked whether it reaches the printer; failed: it did not; disconnected: it "
            "was reached once and is silent; unknown: never heard of and not tested, as at a site without our agent"
        )
    )
    connection_error: str | None = Field(description="why the test failed")
    current_job: CurrentJob | None
    temperatures: TemperaturesView
    is_active: bool
    last_seen: printernizer.Time | None
    created_at: printernizer.Time


class PrinterView(PrinterEntry, printernizer.Reply):
    """A printer by itself."""

    access_code: str | None = Field(description="for the organization's admins alone")
    firmware_version: str | None
    offline_since: printernizer.Time | None = Field(description="where it is taken for offline after a long silence")
    on_fatal: OnFatal = Field(description=ON_FATAL)
    statistics: Statistics
    capabilities: Capabilities


def name_of(printer: Printer) -> str:
    """What this dialect calls a printer."""
    return printer.chosen_id or printer.printer_id


def entry(seen: Glance) -> PrinterEntry:
    """The printer in a list."""
    return PrinterEntry(**_entry(seen))


def printer(seen: Detail) -> PrinterView:
    """The printer by itself."""
    return PrinterView(
        **_entry(seen),
        access_code=seen.access_code,
        firmware_version=seen.printer.firmware_version,
        offline_since=seen.printer.presence.since if seen.printer.presence.status == "offline" else None,
        on_fatal=seen.printer.on_fatal,
        statistics=_statistics(seen.totals),
        capabilities=_capabilities(seen),
    )


def _entry(seen: Glance) -> dict[str, Any]:
    found = seen.printer
    status: Mapping[str, Any] = found.state.status if found.state else {}
    measured = Temperatures() if seen.condition in ("offline", "configuring") else Temperatures.of(status)
    return {
        "id": name_of(found),
        "name": found.name,
        "type": type_of(seen.maker),
        "model": found.model,
        "ip_address": found.ip_address,
        "serial_number": found.serial,
        "recipient_id": found.recipient_id,
        "status": seen.condition,
        "connection_status": seen.connection,
        "connection_error": seen.reason,
        "current_job": _current_job(seen.job, status) if seen.job else None,
        "temperatures": TemperaturesView(**vars(measured)),
        "is_active": found.active,
        "last_seen": found.state.received_at if found.state else None,
        "created_at": found.created_at,
    }


def _current_job(job: Job, status: Mapping[str, Any]) -> CurrentJob:
    word = printernizer.job_status(job.status)
    progress = Progress(percent=0.0) if word == "queued" else progress_of(job, status)
    return CurrentJob(
        id=job.number,
        name=job.file_name or job.product_name,
        status=word,
        progress=progress.percent,
        layer_current=progress.layer,
        layer_total=progress.total_layers,
        estimated_remaining=progress.remaining_seconds,
        started_at=job.started_at,
    )


def _statistics(totals: Totals) -> Statistics:
    return Statistics(
        total_jobs=totals.total_jobs,
        successful_jobs=totals.successful_jobs,
        failed_jobs=totals.failed_jobs,
        total_print_time=totals.total_print_seconds,
        material_used_total=totals.milligrams / _MILLIGRAMS,
    )


def _capabilities(seen: Detail) -> Capabilities:
    found, type_ = seen.printer, type_of(seen.maker)
    loaded = loaded_of(found.state.status) if found.state else None
    trays = any(each.slot != EXTERNAL for each in loaded or ())
    return Capabilities(
        has_camera=type_ == "bambu_lab" or found.picture is not None,
        has_ams=bool(found.num_ams_units) or trays,
        supports_remote_control=seen.has_agent or type_ != "prusa",
    )
