"""How a print job looks in the dialect `printernizer`: what it is printed of and for whom, and what that costs."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.dialects.printernizer import Word
from printpipe.domain import costs
from printpipe.domain.file_records import PrintSettings
from printpipe.domain.job_progress import elapsed_seconds, progress_of
from printpipe.domain.job_records import Customer, Progress
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.services.jobs.ledger import Shown

LARGEST_NUMBER = 2**53 - 1

Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER, description="a job's number; later jobs have larger ones")]
"""What this dialect calls a job."""


class Path(printernizer.Path):
    """The path's parameters."""

    job_id: Number


class MaterialView(printernizer.Part):
    """The filament that is used most, and how much filament is used in all."""

    type: str | None
    brand: str | None
    color: str | None = Field(description="#RRGGBB")
    estimated_usage: float | None = Field(description="grams, as the file says")
    actual_usage: float | None = Field(description="grams; null until the job has ended")
    cost_per_gram: float


class FileView(printernizer.Part):
    """The job's file, as far as there is one; its size in bytes."""

    filename: str | None
    size: int | None
    path: str | None = Field(description="the file's id and name: no address")
    hash: str | None
    uploaded_at: printernizer.Time | None


class SettingsView(printernizer.Part):
    """How the file was sliced: mm, percent, mm/s, °C; null where it does not say."""

    layer_height: float | None
    infill: float | None
    print_speed: float | None
    nozzle_temp: float | None
    bed_temp: float | None


class CostsView(printernizer.Part):
    """In the currency's unit: what a person set, else what the job is to cost, and by its end has cost."""

    material_cost: float | None
    power_cost: float | None
    labor_cost: float
    total_cost: float | None
    currency: str


class QualityView(printernizer.Part):
    """What somebody measured of the print: nobody does."""

    first_layer_adhesion: str | None = None
    surface_finish: str | None = None
    dimensional_accuracy: float | None = None


class CustomerView(printernizer.Part):
    """For whom it is printed."""

    order_id: str | None
    customer_name: str | None


class JobView(printernizer.Reply):
    """A print job; times in seconds, progress in percent. Of one that is being printed they grow."""

    id: Number
    printer_id: str | None = Field(description="where it is printed, else where it is to be")
    printer_name: str | None
    job_name: str
    status: Word
    progress: float | None
    layer_current: int | None
    layer_total: int | None
    start_time: printernizer.Time | None
    end_time: printernizer.Time | None
    estimated_duration: int | None
    estimated_completion: printernizer.Time | None = Field(description="only while it is printed")
    actual_duration: int | None
    material_info: MaterialView
    file_info: FileView
    print_settings: SettingsView
    costs: CostsView
    quality_metrics: QualityView
    is_business: bool
    customer_info: CustomerView
    notes: str | None
    created_at: printernizer.Time
    updated_at: printernizer.Time


def job(shown: Shown) -> JobView:
    """The job as callers see it."""
    found, file, printer = shown.job, shown.file, shown.printer
    status, estimated = printernizer.job_status(found.status), costs.estimated_seconds(found, file)
    progress = _progress(shown)
    return JobView(
        id=found.number,
        printer_id=(printer.chosen_id if printer else None) or found.printer_id or found.wanted_printer_id,
        printer_name=(printer.name or printer.serial) if printer else None,
        job_name=found.file_name or found.product_name or f"Job {found.number}",
        status=status,
        progress=100.0 if status == "completed" else progress.percent,
        layer_current=progress.layer,
        layer_total=progress.total_layers,
        start_time=found.started_at,
        end_time=found.ended_at,
        estimated_duration=estimated,
        estimated_completion=_completion(shown, progress, estimated) if status == "printing" else None,
        actual_duration=elapsed_seconds(found, shown.now),
        material_info=_material(shown),
        file_info=_file(shown),
        print_settings=_settings(file.settings if file else None),
        costs=_costs(shown),
        quality_metrics=QualityView(),
        is_business=found.is_business,
        customer_info=_customer(found.customer or Customer()),
        notes=found.notes,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _progress(shown: Shown) -> Progress:
    """How far it is; a job that waits has not begun, and one that ended is not at its printer any more."""
    found, state = shown.job, shown.printer.state if shown.printer else None
    if printernizer.job_status(found.status) == "queued":
        return Progress(percent=0.0)
    progress = progress_of(found, state.status if state and JOBS[found.status] else None)
    if progress.total_layers is None and (printed := costs.plate(found, shown.file)) is not None:
        progress = progress.model_copy(update={"total_layers": printed.layers})
    if found.status == JobStatus.COMPLETED and progress.total_layers is not None:
        progress = progress.model_copy(update={"layer": progress.total_layers})
    return progress


def _completion(shown: Shown, progress: Progress, estimated: int | None) -> datetime | None:
    """When the last plate will be done: from what the printer says of this one, else from the file's estimate."""
    found, printed = shown.job, costs.plate(shown.job, shown.file)
    left = found.plates_requested - found.plates_completed - 1
    if progress.remaining_seconds is not None and (left <= 0 or (printed and printed.estimated_seconds is not None)):
        others = left * (printed.estimated_seconds or 0) if printed and left > 0 else 0
        return shown.now + timedelta(seconds=progress.remaining_seconds + others)
    if found.started_at is None or estimated is None:
        return None
    return found.started_at + timedelta(seconds=estimated)


def _material(shown: Shown) -> MaterialView:
    found, file = shown.job, shown.file
    main = costs.main_filament(costs.plate(found, file))
    used = None if JOBS[found.status] else costs.consumption(found, file).milligrams
    return MaterialView(
        type=main.type if main else None,
        brand=main.brand if main else None,
        color=main.color if main else None,
        estimated_usage=_grams(costs.estimated_milligrams(found, file)),
        actual_usage=_grams(used),
        cost_per_gram=shown.organization.prices.per_gram / 10_000,
    )


def _file(shown: Shown) -> FileView:
    file = shown.file
    if file is None:
        return FileView(filename=shown.job.file_name, size=None, path=None, hash=None, uploaded_at=None)
    return FileView(
        filename=file.file_name,
        size=file.size,
        path=f"/files/{file.file_id}/{file.file_name}",
        hash=f"sha256:{file.sha256}",
        uploaded_at=file.created_at,
    )


def _settings(settings: PrintSettings | None) -> SettingsView:
    said = settings or PrintSettings()
    return SettingsView(
        layer_height=said.layer_height,
        infill=said.infill,
        print_speed=said.print_speed,
        nozzle_temp=said.nozzle_temperature,
        bed_temp=said.bed_temperature,
    )


def _costs(shown: Shown) -> CostsView:
    known = costs.known(shown.job, shown.file, shown.organization.prices)
    total = costs.total(known)
    return CostsView(
        material_cost=costs.money(known.material.amount) if known.material else None,
        power_cost=costs.money(known.power.amount) if known.power else None,
        labor_cost=costs.money(known.labor.amount) if known.labor else 0.0,
        total_cost=None if total is None else costs.money(total),
        currency=shown.organization.currency,
    )


def _customer(customer: Customer) -> CustomerView:
    return CustomerView(order_id=customer.order_id, customer_name=customer.customer_name)


def _grams(milligrams: int | None) -> float | None:
    return None if milligrams is None else milligrams / 1000
