"""Questions of how much is kept of an organization, or of one of its sites."""

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def jobs_kept(collections: Collections, organization_id: str, recipient_id: str | None, limit: int) -> Query:
    """Jobs that were not deleted."""
    return Query(collections.print_jobs, _kept(organization_id, recipient_id), limit=limit)


def files_kept(collections: Collections, organization_id: str, recipient_id: str | None, limit: int) -> Query:
    """Files that were not deleted."""
    return Query(collections.files, _kept(organization_id, recipient_id), limit=limit)


def printers_kept(collections: Collections, organization_id: str, recipient_id: str | None, limit: int) -> Query:
    """Printers that were not deleted."""
    return Query(collections.printers, _kept(organization_id, recipient_id), limit=limit)


def _kept(organization_id: str, recipient_id: str | None) -> list[Where]:
    return [
        Where("organizationId", "==", organization_id),
        Where("deletedAt", "==", None),
        *([Where("recipientId", "==", recipient_id)] if recipient_id is not None else []),
    ]
