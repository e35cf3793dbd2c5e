"""POST /api/v1/jobs/{job_id}/cancel: cancels a print job."""

from typing import Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.ids import Once
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_job_views import Number, Path
from printpipe.services.jobs import ledger


class Cancelled(printernizer.Reply):
    """The job is cancelled, or will be once its printer has stopped: the job itself shows which."""

    id: Number
    status: Literal["cancelled"] = "cancelled"
    message: str = "Job cancellation initiated"
    cancelled_at: printernizer.Time = Field(description="when that was asked for first")


class Arguments(printernizer.Model):
    """The query."""


def post(call: Call, path: Path, query: Arguments, once: Once) -> Cancelled:
    """Cancels at once what has not begun; else the printer is told to stop, and the job ends when that is done."""
    job = ledger.cancel(call.context, path.job_id, once)
    return Cancelled(id=job.number, cancelled_at=job.cancel_requested_at or job.ended_at or job.updated_at)
