"""GET /api/v1/jobs/{job_id}: a print job, with its material, costs and customer."""

from printpipe.dialects import printernizer
from printpipe.endpoints import printernizer_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_job_views import JobView, Path
from printpipe.services.jobs import ledger


class Arguments(printernizer.Model):
    """The query."""


def get(call: Call, path: Path, query: Arguments) -> JobView:
    """The job, as far as its printer, its file and people tell."""
    return printernizer_job_views.job(ledger.show(call.context, path.job_id))
