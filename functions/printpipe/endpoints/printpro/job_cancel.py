"""POST /api/print-jobs/{id}/cancel: cancels a print job."""

from printpipe.dialects import printpro
from printpipe.domain.ids import Once
from printpipe.domain.values import Id, Text
from printpipe.endpoints import printpro_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_job_views import JobView
from printpipe.services.jobs import cancellation
from printpipe.services.jobs.orders import Shown


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Request(printpro.Model):
    """The body."""

    reason: Text | None = None


def post(call: Call, path: Path, body: Request | None, once: Once) -> JobView:
    """Cancels at once what has not begun; else the printer is told to stop, and the job ends when that is done."""
    reason = body.reason if body else None
    return printpro_job_views.job(Shown(cancellation.cancel(call.context, path.id, reason or None, once)))
