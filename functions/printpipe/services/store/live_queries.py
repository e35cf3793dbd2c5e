"""What is followed of an organization while somebody looks on."""

from collections.abc import Sequence

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def printers_in_use(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's printers."""
    where = [Where("organizationId", "==", organization_id), Where("deletedAt", "==", None)]
    return Query(collections.printers, where, limit=limit)


def jobs_changed_last(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's jobs, those that changed last in front."""
    where = [Where("organizationId", "==", organization_id)]
    return Query(collections.print_jobs, where, [("updatedAt", "desc")], limit)


def transfers_changed_last(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's transfers, those that changed last in front."""
    where = [Where("organizationId", "==", organization_id)]
    return Query(collections.transfers, where, [("updatedAt", "desc")], limit)


def newest_events_of(collections: Collections, organization_id: str, event_types: Sequence[str], limit: int) -> Query:
    """An organization's events of these types, the newest first."""
    where = [Where("organizationId", "==", organization_id), Where("eventType", "in", event_types)]
    return Query(collections.printer_events, where, [("createdAt", "desc")], limit)
