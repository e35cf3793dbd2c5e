"""PUT /api/print-jobs/{id}/status: tells where a print job stands and how far it is."""

from typing import Annotated

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.values import Id, Text, WithoutFraction
from printpipe.endpoints import printpro_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_job_views import JobView, StatusWord
from printpipe.services import job_reports
from printpipe.services.job_reports import Told
from printpipe.services.orders import Shown

_MOST_LAYERS = 1_000_000
_LONGEST_PRINT = 366 * 24 * 3600

Layers = Annotated[int, Field(ge=0, le=_MOST_LAYERS), WithoutFraction]


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Request(printpro.Model):
    """The body; `reason` is another name of `error_message`."""

    status: StatusWord = Field(description="`error` is failed, `canceled` is cancelled")
    progress_percentage: float | None = Field(None, ge=0, le=100)
    current_layer: Layers | None = None
    total_layers: Layers | None = None
    time_remaining_seconds: Annotated[int, Field(ge=0, le=_LONGEST_PRINT), WithoutFraction] | None = None
    error_message: Text | None = None
    reason: Text | None = None

    def told(self) -> Told:
        """What is told."""
        numbers = {
            "percent": self.progress_percentage,
            "layer": self.current_layer,
            "total_layers": self.total_layers,
            "remaining_seconds": self.time_remaining_seconds,
        }
        return Told(
            status=printpro.JOB_STATUSES[self.status],
            progress={name: number for name, number in numbers.items() if number is not None},
            reason=self.error_message or self.reason or None,
        )


def put(call: Call, path: Path, body: Request) -> JobView:
    """Takes a report; the same state again changes the progress alone, and another end than the first is refused.

    Of a print that our edge agent began only the agent tells, but for its end while it is claimed or unknown.
    """
    return printpro_job_views.job(Shown(job_reports.report(call.context, path.id, body.told())))
