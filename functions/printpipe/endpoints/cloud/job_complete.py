"""POST /api/print-jobs/completed: how a print ended, from the deployed client."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.lifecycles import file_status
from printpipe.domain.values import Id, Moment, OptionalId, OptionalName, Text
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_events import IllustratedModel, IllustratedReply
from printpipe.endpoints.cloud_printer_name import NamesPrinter
from printpipe.services import events
from printpipe.services.jobs import completions
from printpipe.services.jobs.completions import Completion


class Arguments(cloud.Model):
    """The query."""

    recipient_id: Id


class Request(IllustratedModel, NamesPrinter):
    """The body. `jobId` may be the client's own."""

    product_name: OptionalName = None
    success: bool
    job_id: OptionalId = None
    print_time_seconds: float | None = Field(None, ge=0, le=31_536_000)
    completed_at: Moment
    error_message: Text | None = None


class Reply(IllustratedReply):
    """The job that has ended, and the event that says so."""

    job_id: str
    status: str
    event_id: str


def post(call: Call, query: Arguments, body: Request, once: Once) -> Reply:
    """Ends the job; the same report again changes nothing, a contradicting one is a conflict."""
    picture, refusal = body.picture()
    told = Completion(
        recipient_id=query.recipient_id,
        product_name=body.product_name,
        printer_serial=body.printer_serial,
        printer_ip_address=body.printer_ip_address,
        success=body.success,
        job_id=body.job_id,
        print_seconds=body.print_time_seconds,
        completed_at=body.completed_at,
        reason=body.error_message,
        image=picture,
    )
    job, event = completions.report(call.context, told, once)
    return Reply(
        job_id=job.job_id,
        status=file_status(job.status),
        event_id=event.event_id,
        image_uploaded=picture is not None,
        image_url=events.image_url(call.context, event),
        image_message=refusal,
    )
