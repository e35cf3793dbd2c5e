"""POST /api/print-jobs/{id}/send: sends a job to the queue."""

from datetime import timedelta

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import Once
from printpipe.domain.values import Id, OptionalId
from printpipe.endpoints import printpro_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_job_views import DeadlineHours, JobView
from printpipe.services.jobs import orders


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Request(printpro.Model):
    """The body; `printer_id` is another name of `printerId`. Without a printer the one that fits best is chosen."""

    camel_printer_id: OptionalId = Field(None, alias="printerId")
    printer_id: OptionalId = None
    deadline_hours: DeadlineHours | None = Field(
        None, description="how long the job may wait; 12 where nobody says, now or with the order"
    )

    @property
    def patience(self) -> timedelta | None:
        """How long the job may wait."""
        return printpro_job_views.patience(self.deadline_hours)

    @property
    def printer(self) -> str | None:
        """The printer that is named. Raises `InvalidInput` for two different ones."""
        if self.camel_printer_id and self.printer_id and self.camel_printer_id != self.printer_id:
            raise InvalidInput("printer_id: differs from printerId", field="printer_id")
        return self.camel_printer_id or self.printer_id


def post(call: Call, path: Path, body: Request | None, once: Once) -> JobView:
    """Queues a job, and begins it at once where a printer fits; else the answer says of each why not."""
    printer, patience = (body.printer, body.patience) if body else (None, None)
    return printpro_job_views.job(orders.send(call.context, path.id, printer, patience, once))
