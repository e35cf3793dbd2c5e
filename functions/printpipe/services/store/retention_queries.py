"""What is asked of the document store to find what was kept long enough, and what belongs to one organization."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from printpipe.domain.lifecycles import UploadStatus
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where

Dated = Literal[
    "audit_log",
    "dead_letters",
    "enrollment_codes",
    "idempotency_keys",
    "incidents",
    "notification_deliveries",
    "print_jobs",
    "printer_commands",
    "printer_events",
    "printer_status_updates",
    "processed_events",
    "socket_tickets",
    "transfers",
    "uploads",
]
"""Collections whose documents are kept for a time, by their names in `Collections`."""

DATED_BY: Mapping[Dated, str] = {
    "incidents": "updatedAt",
    "processed_events": "processedAt",
}
"""From when that time counts, where it is not `createdAt`."""

Owned = Literal[
    "api_keys",
    "audit_log",
    "dead_letters",
    "enrollment_codes",
    "files",
    "idempotency_keys",
    "incidents",
    "job_aliases",
    "memberships",
    "notification_channels",
    "notification_deliveries",
    "print_jobs",
    "printer_aliases",
    "printer_commands",
    "printer_events",
    "printer_secrets",
    "printer_status_updates",
    "printer_storages",
    "printers",
    "processed_events",
    "recipients",
    "socket_tickets",
    "statistics",
    "statistics_entries",
    "transfers",
    "uploads",
]
"""Collections whose documents say which organization's they are, likewise."""

After = tuple[datetime, str] | None
"""Behind which document to go on: its time and its id."""


def dated_before(collections: Collections, kind: Dated, before: datetime, after: After, limit: int) -> Query:
    """A collection's documents of before a moment, the oldest first."""
    date = DATED_BY.get(kind, "createdAt")
    return Query(getattr(collections, kind), [Where(date, "<", before)], [(date, "asc")], limit, after)


def files_stored_before(collections: Collections, before: datetime, after: After, limit: int) -> Query:
    """Files that are there since before a moment, the oldest first."""
    return Query(
        collections.files,
        [Where("deletedAt", "==", None), Where("createdAt", "<", before)],
        [("createdAt", "asc")],
        limit,
        after,
    )


def files_removed_before(collections: Collections, before: datetime, after: After, limit: int) -> Query:
    """Files that were removed before a moment, and of which the document alone is left, likewise."""
    return Query(collections.files, [Where("deletedAt", "<", before)], [("deletedAt", "asc")], limit, after)


def uploads_overdue(collections: Collections, before: datetime, after: After, limit: int) -> Query:
    """Uploads that were not completed by a moment by which they should have been, likewise."""
    return Query(
        collections.uploads,
        [Where("status", "==", UploadStatus.UPLOADING.value), Where("expiresAt", "<", before)],
        [("expiresAt", "asc")],
        limit,
        after,
    )


def documents_of_organization(collections: Collections, kind: Owned, organization_id: str, limit: int) -> Query:
    """What a collection holds of an organization's."""
    return Query(getattr(collections, kind), [Where("organizationId", "==", organization_id)], limit=limit)


def commands_not_begun(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's pending commands, but for what quiets a printer: the priority lane's."""
    where = [
        Where("organizationId", "==", organization_id),
        Where("status", "==", "pending"),
        Where("lane", "==", "normal"),
    ]
    return Query(collections.printer_commands, where, limit=limit)


def organizations_leaving(collections: Collections, until: datetime, limit: int) -> Query:
    """The organizations that are being erased, by when that was asked for."""
    return Query(collections.organizations, [Where("leavingSince", "<=", until)], [("leavingSince", "asc")], limit)
