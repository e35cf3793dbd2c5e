"""POST /api/print-jobs: orders a print, which waits for a person until it is sent."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field

from printpipe.dialects import printpro
from printpipe.dialects.exchange import Shape
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Wish
from printpipe.domain.values import Name, OptionalId, OptionalName, PlateIndex, WithoutFraction
from printpipe.endpoints import printpro_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_job_views import DeadlineHours, JobView, PriorityWord
from printpipe.services.jobs import commissions
from printpipe.services.jobs.commissions import Commission
from printpipe.services.jobs.orders import Shown

_MOST_SLOTS = 64


class Slot(Shape):
    """A filament in place of one of the file's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    slot_number: Annotated[int, Field(ge=1, le=_MOST_SLOTS), WithoutFraction] = Field(
        description="the number in the file, from 1, of the filament that this one replaces; "
        "which of the printer's trays holds it is found as the print begins"
    )
    filament_type: OptionalName = None
    filament_color: OptionalName = None


def _check_slots(slots: list[Slot]) -> list[Slot]:
    if len({each.slot_number for each in slots}) < len(slots):
        raise ValueError("each slot_number may stand there once")
    return slots


class AmsConfiguration(Shape):
    """Where filaments come from: not from the AMS where `enabled` is false, from nowhere else where it is true."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    enabled: bool | None = None
    slots: Annotated[list[Slot], AfterValidator(_check_slots)] | None = Field(None, max_length=_MOST_SLOTS)

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The filaments that are asked for."""
        return tuple(
            Wish(slot=each.slot_number, type=each.filament_type, color=each.filament_color) for each in self.slots or ()
        )


class Request(printpro.Model):
    """The body. The file is `file_id`, else `gcode_url`, else the product's newest."""

    product_id: Name
    printer_id: OptionalId = Field(None, description="the one printer that is to print it; any that fits without")
    plates_requested: Annotated[int, Field(ge=1, le=100), WithoutFraction] | None = None
    priority: PriorityWord | None = None
    ams_configuration: AmsConfiguration | None = None
    product_name: OptionalName = None
    file_id: OptionalId = None
    gcode_url: str | None = Field(None, max_length=2048)
    recipient_id: OptionalId = Field(None, description="the site that gets the file behind `gcode_url`")
    plate_index: PlateIndex | None = None
    deadline_hours: DeadlineHours | None = None

    def commission(self) -> Commission:
        """What is asked for."""
        ams = self.ams_configuration
        return Commission(
            product_id=self.product_id,
            printer_id=self.printer_id,
            file_id=self.file_id,
            gcode_url=self.gcode_url or None,
            recipient_id=self.recipient_id,
            plate_index=self.plate_index,
            plates_requested=self.plates_requested or 1,
            priority=printpro_job_views.priority(self.priority),
            product_name=self.product_name,
            use_ams=ams.enabled if ams else None,
            wishes=ams.wishes if ams else (),
            patience=printpro_job_views.patience(self.deadline_hours),
        )


class Created(JobView):
    """The job, which is to be sent."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> Created:
    """Creates a job, pending until it is sent; the first one of an uploaded file is the job that came with it."""
    created = commissions.create(call.context, body.commission(), once)
    return Created(**printpro_job_views.fields(Shown(created)))
