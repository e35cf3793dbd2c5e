"""GET /api/status/{id}: a print by its number."""

from pydantic import Field

from printpipe.dialects import taverna
from printpipe.domain.values import OptionalId
from printpipe.endpoints import taverna_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.taverna_views import Basics, Details, Number
from printpipe.services.jobs import tracking


class Path(taverna.Path):
    """The path's parameters."""

    id: Number


class Arguments(taverna.Model):
    """The query: with both, and both valid, all is shown."""

    api_key: str | None = Field(None, max_length=1024, repr=False, exclude=True)
    printer_id: OptionalId = None


def get(call: Call, path: Path, query: Arguments) -> Details | Basics:
    """To whom it is not, or who does not say at which printer, a little is shown."""
    job = tracking.find(call.context, path.id)
    if tracking.may_see(call.context, job, query.printer_id):
        return taverna_views.details(call.context, job, query.printer_id)
    return taverna_views.basics(call.context, job)
