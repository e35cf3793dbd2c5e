"""How much is kept of an organization."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query
from printpipe.domain.tenant_records import Organization
from printpipe.services.context import Context
from printpipe.services.store import inventory_queries

MOST_COUNTED = 100_000
"""Of each kind, which costs a hundred reads."""

_Kind = Callable[[Collections, str, str | None, int], Query]


@dataclass(frozen=True)
class Inventory:
    """What there is at the caller's sites, up to `MOST_COUNTED` of each; what was deleted does not count."""

    time_zone: str
    jobs: int
    files: int
    printers: int


def take(context: Context) -> Inventory:
    """Counts it. Raises `Forbidden` for a caller without an organization."""
    document = context.documents.get(f"{context.collections.organizations}/{context.tenant}")
    zone = Organization.of(document).time_zone if document is not None else "UTC"
    kinds = (inventory_queries.jobs_kept, inventory_queries.files_kept, inventory_queries.printers_kept)
    jobs, files, printers = (_count(context, kind) for kind in kinds)
    return Inventory(zone, jobs, files, printers)


def _count(context: Context, kind: _Kind) -> int:
    narrowed = context.caller.recipient_ids
    sites: Iterable[str | None] = [None] if narrowed is None else narrowed
    counted = (context.documents.count(kind(context.collections, context.tenant, site, MOST_COUNTED)) for site in sites)
    return min(sum(counted), MOST_COUNTED)
