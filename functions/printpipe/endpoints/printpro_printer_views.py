"""How a printer looks in the dialect `printpro`."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.printer_records import OnFatal, Printer
from printpipe.domain.printer_status import Activity
from printpipe.endpoints import printpro_status
from printpipe.endpoints.printpro_printer_fields import ON_FATAL
from printpipe.endpoints.printpro_status import LiveStatus
from printpipe.services.printers.fleet import Shown


class VolumeView(printpro.Part):
    """How large a print may be, in mm."""

    x: float
    y: float
    z: float


class Live(LiveStatus):
    """What the printer reported last, however long ago that is."""

    reported_at: printpro.Time


class PrinterView(printpro.Reply):
    """A printer. `status` is what it does now: offline where nothing was heard of it for 12 minutes."""

    id: str
    printer_id: str
    organization_id: str = Field(serialization_alias="organizationId")
    recipient_id: str = Field(description="the site at which it stands")
    name: str | None
    brand: str | None
    model: str | None
    serial: str | None
    ip_address: str | None
    access_code: str | None = Field(description="for the organization's admins alone")
    num_ams_units: int | None = Field(description="as somebody said; jobs go by what the printer reports as loaded")
    supported_materials: list[str] = Field(description="empty where nobody said")
    nozzle_diameter: float | None = Field(description="mm")
    build_volume: VolumeView | None
    location: str | None
    notes: str | None
    is_active: bool
    on_fatal: OnFatal = Field(description=ON_FATAL)
    plate_cleared: bool = Field(description="whether nothing lies on its plate: no job is begun there before")
    status: Activity
    current_status: Activity
    live: Live | None = Field(description="null where nothing was ever heard of it")
    current_job_ids: list[str] = Field(description="jobs that were given to it and have not ended")
    created_at: printpro.Time
    updated_at: printpro.Time = Field(description="when somebody changed it last")


def printer(shown: Shown) -> PrinterView:
    """The printer as callers see it."""
    found = shown.printer
    return PrinterView(
        id=found.printer_id,
        printer_id=found.printer_id,
        organization_id=found.organization_id,
        recipient_id=found.recipient_id,
        name=found.name,
        brand=found.brand,
        model=found.model,
        serial=found.serial,
        ip_address=found.ip_address,
        access_code=shown.access_code,
        num_ams_units=found.num_ams_units,
        supported_materials=list(found.supported_materials),
        nozzle_diameter=found.nozzle_diameter,
        build_volume=VolumeView(**found.build_volume.model_dump()) if found.build_volume else None,
        location=found.location,
        notes=found.notes,
        is_active=found.active,
        on_fatal=found.on_fatal,
        plate_cleared=found.plate_cleared,
        status=shown.activity,
        current_status=shown.activity,
        live=_live(found),
        current_job_ids=_jobs(found),
        created_at=found.created_at,
        updated_at=found.updated_at or found.created_at,
    )


def _jobs(found: Printer) -> list[str]:
    """The jobs at the printer, the first in front; starts of no job occupy it too, and are not among them."""
    given = sorted((each.at, job) for job, each in found.occupants.items() if each.command_id is None)
    return [job for _, job in given]


def _live(found: Printer) -> Live | None:
    if found.state is None:
        return None
    status = printpro_status.live(found.state.status)
    return Live(**dict(status), reported_at=found.state.reported_at)
