"""GET /api/print-jobs/{id}: a print job, how far it is, and why it waits."""

from printpipe.dialects import printpro
from printpipe.domain.values import Id
from printpipe.endpoints import printpro_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_job_views import JobView
from printpipe.services.jobs import orders


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Arguments(printpro.Model):
    """The query."""


def get(call: Call, path: Path, query: Arguments) -> JobView:
    """The job; while it waits, with what keeps it from each of the organization's printers."""
    return printpro_job_views.job(orders.show(call.context, path.id))
