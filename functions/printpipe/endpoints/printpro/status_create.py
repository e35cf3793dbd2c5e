"""POST /api/printer-status: a printer's live state, reported with a bearer token."""

from typing import ClassVar

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.values import Id, Moment, OptionalName, Text
from printpipe.endpoints import printpro_status
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_status import Layers, Percent, Seconds, Speed, Temperature
from printpipe.endpoints.printpro_status_views import Sample
from printpipe.services.printers import status_reports
from printpipe.services.printers.status_reports import Report


class Request(printpro.Model):
    """The body: the whole picture, in which what is left out is not known. Temperatures in °C."""

    printer_id: Id
    status: OptionalName = Field(None, description="idle, printing, paused, offline, error, … or a word of your own")
    current_job_id: OptionalName = None
    progress_percentage: Percent | None = None
    current_layer: Layers | None = None
    total_layers: Layers | None = None
    nozzle_temp_current: Temperature | None = None
    nozzle_temp_target: Temperature | None = None
    bed_temp_current: Temperature | None = None
    bed_temp_target: Temperature | None = None
    chamber_temp_current: Temperature | None = None
    chamber_temp_target: Temperature | None = None
    time_remaining_seconds: Seconds | None = None
    print_speed_percentage: Speed | None = None
    fan_speed_percentage: Percent | None = None
    file_name: OptionalName = None
    error_message: Text | None = None
    timestamp: Moment | None = Field(None, description="when the report was made; now, where it is left out")

    def report(self) -> Report:
        """The report, which the history is to keep."""
        readings = self.model_dump(exclude={"status"}, exclude_none=True)
        told = {name: value for name, value in readings.items() if value != ""}
        return Report(None, None, printpro_status.stored(self.status, told), self.timestamp, keep=True)


class Created(Sample, printpro.Reply):
    """The report as it was kept."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request) -> Created:
    """Keeps the report in the history; it is the printer's state from now on unless a newer one is there."""
    seen = body.report()
    taken = status_reports.report_of(call.context, body.printer_id, seen)
    return Created(
        **dict(printpro_status.live(seen.status)),
        id=taken.status_update_id,
        printer_id=body.printer_id,
        organization_id=call.context.tenant,
        status=printpro_status.word(seen.status),
        timestamp=taken.at,
        created_at=taken.received_at,
    )
