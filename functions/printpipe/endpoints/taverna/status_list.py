"""GET /api/status/printer/{printer_id}: the prints that are active at a printer."""

from pydantic import Field

from printpipe.dialects import taverna
from printpipe.domain.values import Id
from printpipe.endpoints import taverna_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.taverna_views import Listed
from printpipe.services.jobs import tracking


class Path(taverna.Path):
    """The path's parameters."""

    printer_id: Id


class Arguments(taverna.Model):
    """The query."""

    api_key: str = Field(min_length=1, max_length=1024, repr=False, exclude=True)


class Listing(taverna.Reply):
    """The prints, the newest first."""

    printer_id: str
    active_jobs_count: int
    jobs: list[Listed]


def get(call: Call, path: Path, query: Arguments) -> Listing:
    """Those that were given to the printer and have not ended."""
    found = tracking.active(call.context, path.printer_id)
    shown = [taverna_views.listed(call.context, job) for job in found]
    return Listing(printer_id=path.printer_id, active_jobs_count=len(shown), jobs=shown)
