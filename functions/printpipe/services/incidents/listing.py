"""An organization's incidents, for those who look after its printers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from printpipe.domain.errors import InvalidInput
from printpipe.domain.incidents import Incident
from printpipe.domain.ports.documents import Query
from printpipe.domain.printer_records import Printer
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.store import incident_queries
from printpipe.services.store.incident_queries import IncidentsOf

MOST_LISTED = 1000
"""Incidents that a list goes through: a page that ends behind them is refused, for reading what it skips is billed."""

Shows = Literal["open", "resolved"]
_ALL: Sequence[Shows] = ("open", "resolved")


@dataclass(frozen=True)
class Wanted:
    """Which incidents a list shows; None leaves a condition out. `printer` is whichever name it has."""

    printer: str | None = None
    status: Shows | None = None
    severity: str | None = None
    page: int = 1
    limit: int = 50


@dataclass(frozen=True)
class Shown:
    """An incident, with its printer where that is known."""

    incident: Incident
    printer: Printer | None


@dataclass(frozen=True)
class Listing:
    """A page of incidents, and how many there are in all."""

    incidents: Sequence[Shown]
    total: int


def listed(context: Context, wanted: Wanted) -> Listing:
    """A page of the organization's incidents, of the sites alone that the caller's key is for; the last seen in front.

    Raises `InvalidInput` for a page beyond `MOST_LISTED`, `NotFound` for an unknown printer.
    """
    if wanted.page * wanted.limit > MOST_LISTED:
        raise InvalidInput(f"page: a list ends after {MOST_LISTED} incidents; narrow it down", field="page")
    sources = _sources(context, wanted)
    total = sum(context.documents.count(_query(context, wanted, source, None)) for source in sources)
    begin = (wanted.page - 1) * wanted.limit
    if begin >= total:
        return Listing([], total)
    found = [
        Incident.of(document)
        for source in sources
        for document in context.documents.query(_query(context, wanted, source, wanted.page * wanted.limit))
    ]
    found.sort(key=lambda each: (each.last_seen_at or each.created_at, each.incident_id), reverse=True)
    page = found[begin : begin + wanted.limit]
    paths = {printers.path(context, each.printer_id) for each in page if each.printer_id}
    stored = context.documents.get_many(paths) if paths else {}
    machines = {document.id: Printer.of(document) for document in stored.values()}
    return Listing([Shown(each, machines.get(each.printer_id or "")) for each in page], total)


def _sources(context: Context, wanted: Wanted) -> Sequence[IncidentsOf | None]:
    """What to look for in turn: the printer's incidents, else those of each site of the caller's key, or all."""
    if wanted.printer is not None:
        return [("printerId", printers.named(context, wanted.printer).id)]
    sites = context.caller.recipient_ids
    return [None] if sites is None else [("recipientId", each) for each in sorted(sites)]


def _query(context: Context, wanted: Wanted, source: IncidentsOf | None, limit: int | None) -> Query:
    statuses = [wanted.status] if wanted.status else list(_ALL)
    return incident_queries.incidents_of_organization(
        context.collections, context.tenant, statuses, wanted.severity, source, limit
    )
