"""PUT /api/print-jobs/{id}/status: tells where a print job stands and how far it is."""

from pydantic import ConfigDict, Field, JsonValue

from printpipe.dialects import printpro
from printpipe.domain.errors import InvalidInput
from printpipe.domain.values import Id, Text
from printpipe.endpoints import printpro_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_job_views import JobView, StatusWord
from printpipe.endpoints.printpro_status import Layers, Percent, Seconds
from printpipe.services.jobs import job_reports
from printpipe.services.jobs.job_reports import Told
from printpipe.services.jobs.orders import Shown

_PROGRESS = {
    "progress_percentage": "percent",
    "current_layer": "layer",
    "total_layers": "total_layers",
    "time_remaining_seconds": "remaining_seconds",
}
"""The fields that tell how far a job is, and what they are called in its record."""

_TOLD: list[JsonValue] = [
    {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in ("status", *_PROGRESS)
]


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Request(printpro.Model):
    """The body: a status, or how far the job is, or both; `reason` is another name of `error_message`."""

    model_config = ConfigDict(json_schema_extra={"allOf": [{"anyOf": _TOLD}]})

    status: StatusWord | None = Field(
        None, description="`error` is failed, `canceled` is cancelled; left out, it stays as it is"
    )
    progress_percentage: Percent | None = None
    current_layer: Layers | None = None
    total_layers: Layers | None = None
    time_remaining_seconds: Seconds | None = None
    error_message: Text | None = None
    reason: Text | None = None

    def told(self) -> Told:
        """What is told. Raises `InvalidInput` where that is neither a status nor any progress."""
        numbers = {stored: getattr(self, name) for name, stored in _PROGRESS.items()}
        progress = {name: number for name, number in numbers.items() if number is not None}
        if self.status is None and not progress:
            raise InvalidInput("status: Field required, unless it is told how far the job is", field="status")
        return Told(
            status=printpro.JOB_STATUSES[self.status] if self.status else None,
            progress=progress,
            reason=self.error_message or self.reason or None,
        )


def put(call: Call, path: Path, body: Request) -> JobView:
    """Takes a report; the same state again, or none, changes the progress alone; another end than the first is refused.

    Of a print that our edge agent began only the agent tells, but for its end while it is claimed or unknown, or its
    printer is silent.
    """
    return printpro_job_views.job(Shown(job_reports.report(call.context, path.id, body.told())))
