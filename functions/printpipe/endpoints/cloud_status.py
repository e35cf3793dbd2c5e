"""The status reports of the cloud dialect: with a nested `status`, or flat."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from printpipe.dialects import cloud
from printpipe.dialects.exchange import validate
from printpipe.domain.values import Id, Moment, Payload, Text
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_printer_name import NamesPrinter
from printpipe.services.printers import status_reports
from printpipe.services.printers.status_reports import Report

Reading = Annotated[float, Field(ge=-1e9, le=1e9)]
Count = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class StatusModel(NamesPrinter):
    """What every report of one printer says."""

    recipient_id: Id
    timestamp: Moment | None = None

    def report(self, status: dict[str, Any], at: datetime | None, app_id: str | None = None) -> Report:
        """The report."""
        return Report(self.printer_serial, self.printer_ip_address, status, at, app_id)


class NestedStatus(StatusModel):
    """A report whose readings stand in `status`."""

    status: Payload


def _word_or_object(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        own = first["type"] == "value_error"
        raise ValueError(first["msg"].removeprefix("Value error, ") if own else "must be an object or a word") from None


class FlatStatus(StatusModel):
    """A report whose readings stand beside the printer's name, or in `status`, which may also be the state's name.

    Temperatures in °C, percentages 0 to 100, times in seconds; `progressPercent` is stored as `progress`.
    """

    status: Annotated[Payload | Text | None, WrapValidator(_word_or_object)] = None
    state: Text | None = None
    progress_percent: Reading | None = None
    progress: Reading | None = None
    bed_temp: Reading | None = None
    bed_target_temp: Reading | None = None
    nozzle_temp: Reading | None = None
    nozzle_target_temp: Reading | None = None
    chamber_temp: Reading | None = None
    remaining_time: Reading | None = None
    layer: Count | None = None
    total_layers: Count | None = None
    fan_percent: Reading | None = None
    speed_percent: Reading | None = None
    gcode_state: Text | None = None
    ams_status: Text | Count | None = None
    file_name: Text | None = None
    print_job_id: Text | None = None
    print_error: Text | Count | None = None
    hms: list[Payload] | None = Field(None, max_length=100)
    online: bool | None = None
    last_event_at: Moment | None = None

    def flat_report(self) -> Report:
        """The report in the same shape as a nested one; what stands in `status` goes before what stands beside it.

        Raises `InvalidInput` where all together are too much.
        """
        given = self.model_dump(by_alias=True, include=_READINGS, exclude_none=True)
        readings = {name: value for name, value in given.items() if value != ""}
        if isinstance(self.status, dict):
            readings |= self.status
        elif self.status:
            readings.setdefault("state", self.status)
        if "progressPercent" in readings:
            readings.setdefault("progress", readings.pop("progressPercent"))
        whole = validate({"status": readings}, _Whole)
        return self.report(whole.status, self.last_event_at or self.timestamp)


_READINGS = FlatStatus.model_fields.keys() - {*StatusModel.model_fields, "status", "last_event_at"}


class _Whole(cloud.Model):
    status: Payload


class StatusReply(cloud.Reply):
    """`statusUpdateId` names the version of the state that stands now."""

    status_update_id: str
    timestamp: cloud.Time


def take(call: Call, recipient_id: str, seen: Report) -> StatusReply:
    """Stores the report unless a newer one is there."""
    taken = status_reports.report(call.context, recipient_id, seen)
    return StatusReply(status_update_id=taken.status_update_id, timestamp=seen.at or call.context.now())
