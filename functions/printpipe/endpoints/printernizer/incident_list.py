"""GET /api/v1/incidents: what printers' errors have come to, page by page."""

from typing import Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.values import OptionalId
from printpipe.endpoints import printernizer_printer_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_pages import Pagination
from printpipe.services.incidents import listing
from printpipe.services.incidents.listing import MOST_LISTED, Shown, Shows, Wanted

Severity = Literal["fatal", "critical", "serious", "error", "common", "info", "unknown"]


class Arguments(printernizer.Model):
    """The query: conditions that all hold."""

    printer_id: OptionalId = None
    status: Shows | None = None
    severity: Severity | None = None
    page: int = Field(1, ge=1, le=MOST_LISTED, description=f"a list ends after {MOST_LISTED} incidents")
    limit: int = Field(50, ge=1, le=100)


class IncidentView(printernizer.Part):
    """One episode of an error at a printer: from its first report until it has stayed away for ten minutes."""

    id: str
    printer_id: str | None = Field(description="null for a printer that is not known")
    printer_name: str | None
    serial_number: str | None
    ip_address: str | None
    recipient_id: str
    code: str = Field(description="of the HMS entry, as 0300_0300_0002_0003; XXXX_YYYY of an error that has none")
    print_error: str | None = Field(description="the print error that came with it")
    severity: Severity
    module: str
    description: str
    advice: str | None = Field(description="what to do about it, where we know")
    status: Shows
    first_seen_at: printernizer.Time
    last_seen_at: printernizer.Time
    resolved_at: printernizer.Time | None
    count: int = Field(description="how often it was reported")
    reopened: int = Field(description="how often it came back after it had seemed to be over")
    job_id: str | None
    action: Literal["paused"] | None = Field(description="what was ordered by itself, as the printer's on_fatal says")


class Listing(printernizer.Reply):
    """A page of incidents, those that were seen last in front."""

    incidents: list[IncidentView]
    pagination: Pagination


def get(call: Call, query: Arguments) -> Listing:
    """The incidents of the organization's printers, whichever client reported them."""
    wanted = Wanted(query.printer_id, query.status, query.severity, query.page, query.limit)
    found = listing.listed(call.context, wanted)
    return Listing(
        incidents=[_view(each) for each in found.incidents],
        pagination=Pagination.of(query.page, query.limit, found.total),
    )


def _view(shown: Shown) -> IncidentView:
    found, printer = shown.incident, shown.printer
    own = {name: getattr(found, name) for name in _SAME}
    return IncidentView(
        **own,
        id=found.incident_id,
        printer_id=printernizer_printer_views.name_of(printer) if printer else found.printer_id,
        printer_name=printer.name if printer else None,
        serial_number=found.printer_serial,
        ip_address=found.printer_ip_address,
    )


_SAME = IncidentView.model_fields.keys() - {"id", "printer_id", "printer_name", "serial_number", "ip_address"}
