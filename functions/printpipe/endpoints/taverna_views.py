"""What Taverna's endpoints show of a print, and of what is told of it."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from printpipe.dialects import taverna
from printpipe.domain.job_records import Job, Progress
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.domain.values import Text, WithoutFraction
from printpipe.services.context import Context

Number = Annotated[int, Field(ge=1, le=2**53 - 1), WithoutFraction]
"""One of ours, or of a shop's."""

Percent = Annotated[float, Field(ge=0, le=100)]
Celsius = Annotated[float, Field(ge=-50, le=600)]
Millimetres = Annotated[float, Field(ge=0, le=10_000_000)]
Count = Annotated[int, Field(ge=0, le=10_000_000), WithoutFraction]

_LONGEST_SECONDS = 366 * 24 * 3600
"""Of a print, as far as its end is foreseen: hardly begun, it would seem to take for ever."""

LocalTime = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", description="in the shop's time zone")]

_MEASURED = {
    "hotend_temp": "nozzleTemp",
    "bed_temp": "bedTemp",
    "speed_percentage": "speedPercent",
    "fan_speed_percentage": "fanPercent",
    "layer_height": "layerHeight",
    "filament_used_mm": "filamentUsedMm",
}
"""What is measured here, and what printers' reports call it."""

_COUNTED = {
    "current_layer": "layer",
    "total_layers": "total_layers",
    "print_time_remaining_seconds": "remaining_seconds",
}
"""What tells how far a print is, and what a job's record calls it."""


class Metrics(taverna.Model):
    """Measurements: °C, percent, mm, seconds."""

    hotend_temp: Celsius | None = None
    bed_temp: Celsius | None = None
    speed_percentage: Annotated[float, Field(ge=0, le=1000)] | None = None
    fan_speed_percentage: Percent | None = None
    layer_height: Annotated[float, Field(ge=0, le=10)] | None = None
    current_layer: Count | None = None
    total_layers: Count | None = None
    filament_used_mm: Millimetres | None = None
    print_time_remaining_seconds: Count | None = None

    def measured(self) -> dict[str, Any]:
        """What is measured, as printers' reports call it."""
        return _told(self, _MEASURED)

    def counted(self) -> dict[str, Any]:
        """How far the print is, as a job's record calls it."""
        return _told(self, _COUNTED)


class ShownMetrics(taverna.Part):
    """What a print's client measured last."""

    hotend_temp: float | None
    bed_temp: float | None
    speed_percentage: float | None
    fan_speed_percentage: float | None
    layer_height: float | None
    current_layer: int | None
    total_layers: int | None
    filament_used_mm: float | None
    print_time_remaining_seconds: int | None


class Basics(taverna.Reply):
    """What everybody may know of a print who has its number."""

    id: int
    status: taverna.Word
    progress_percentage: float
    started_at: LocalTime | None
    estimated_completion: LocalTime | None


class Details(Basics):
    """All of a print."""

    formatted_status: str
    printer_id: str | None
    print_queue_id: int | None
    order_id: int | None
    product_id: int | str | None
    product_name: str | None
    model_file: str | None
    message: Text | None
    metrics: ShownMetrics
    created_at: LocalTime
    completed_at: LocalTime | None
    last_updated: LocalTime


class Listed(taverna.Part):
    """A print in the list of a printer's."""

    print_status_id: int
    status: taverna.Word
    formatted_status: str
    progress_percentage: float
    product_id: int | str | None
    product_name: str | None
    model_file: str | None
    order_id: int | None
    started_at: LocalTime | None
    last_updated: LocalTime


def basics(context: Context, job: Job) -> Basics:
    """A print as everybody sees it."""
    return Basics(**_basics(context, job))


def details(context: Context, job: Job, printer_id: str | None) -> Details:
    """A print as its own people see it, at a printer that they call so."""
    progress, measured = job.progress or Progress(), job.metrics or {}
    counted = {name: getattr(progress, stored) for name, stored in _COUNTED.items()}
    return Details(
        **_basics(context, job),
        formatted_status=taverna.formatted_status(job.status),
        printer_id=printer_id,
        print_queue_id=job.shop.print_queue_id if job.shop else None,
        order_id=_order_id(job),
        product_id=_product_id(job),
        product_name=job.product_name,
        model_file=job.file_name,
        message=job.message,
        metrics=ShownMetrics(**{name: measured.get(stored) for name, stored in _MEASURED.items()}, **counted),
        created_at=_time(context, job.created_at),
        completed_at=_optional_time(context, job.ended_at),
        last_updated=_time(context, job.updated_at),
    )


def listed(context: Context, job: Job) -> Listed:
    """A print in a list."""
    return Listed(
        print_status_id=job.number,
        status=taverna.job_status(job.status),
        formatted_status=taverna.formatted_status(job.status),
        progress_percentage=_percent(job),
        product_id=_product_id(job),
        product_name=job.product_name,
        model_file=job.file_name,
        order_id=_order_id(job),
        started_at=_optional_time(context, job.started_at),
        last_updated=_time(context, job.updated_at),
    )


def _basics(context: Context, job: Job) -> dict[str, Any]:
    return {
        "id": job.number,
        "status": taverna.job_status(job.status),
        "progress_percentage": _percent(job),
        "started_at": _optional_time(context, job.started_at),
        "estimated_completion": _optional_time(context, _estimated_end(job)),
    }


def _percent(job: Job) -> float:
    if job.status == JobStatus.COMPLETED:
        return 100.0
    return job.progress.percent or 0.0 if job.progress else 0.0


def _estimated_end(job: Job) -> datetime | None:
    """When a print that goes on will end: by what its printer says is left, else by how fast it went so far."""
    if not JOBS[job.status] or job.started_at is None or job.progress is None:
        return None
    if job.progress.remaining_seconds is not None:
        return job.updated_at + timedelta(seconds=job.progress.remaining_seconds)
    if not job.progress.percent:
        return None
    seconds = (job.updated_at - job.started_at).total_seconds() * 100 / job.progress.percent
    return job.started_at + timedelta(seconds=seconds) if seconds <= _LONGEST_SECONDS else None


def _order_id(job: Job) -> int | None:
    return None if job.shop is None else job.shop.order_id or job.shop.print_queue_id


def _product_id(job: Job) -> int | str | None:
    return job.shop.product_id if job.shop else job.product_id


def _optional_time(context: Context, moment: datetime | None) -> str | None:
    return None if moment is None else _time(context, moment)


def _time(context: Context, moment: datetime) -> str:
    return taverna.timestamp(moment, context.policy.taverna_time_zone)


def _told(model: Metrics, names: dict[str, str]) -> dict[str, Any]:
    given = {stored: getattr(model, name) for name, stored in names.items()}
    return {name: value for name, value in given.items() if value is not None}
