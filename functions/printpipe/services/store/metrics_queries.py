"""Questions of how the farm is doing now: of one organization, or, where none is named, of all of them."""

from datetime import datetime

from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def printers_heard_of(
    collections: Collections, organization_id: str | None, heard_since: datetime | None, limit: int
) -> Query:
    """Printers in use; those of them that have reported since a moment, the last to report first."""
    where = [*_of(organization_id), Where("active", "==", True), Where("deletedAt", "==", None)]
    if heard_since is None:
        return Query(collections.printers, where, limit=limit)
    where.append(Where("state.receivedAt", ">=", heard_since))
    return Query(collections.printers, where, [("state.receivedAt", "desc")], limit)


def jobs_of_status(collections: Collections, organization_id: str | None, status: JobStatus, limit: int) -> Query:
    """Jobs that stand so and were not deleted."""
    where = [*_of(organization_id), Where("status", "==", status.value), Where("deletedAt", "==", None)]
    return Query(collections.print_jobs, where, limit=limit)


def longest_waiting(collections: Collections, organization_id: str | None) -> Query:
    """The job that has waited the longest for a printer to be chosen."""
    where = [*_of(organization_id), Where("waits", "==", True)]
    return Query(collections.print_jobs, where, [("waitsSince", "asc")], 1)


def started_jobs(collections: Collections, organization_id: str | None, since: datetime, limit: int) -> Query:
    """Jobs whose print has begun since a moment, the newest first."""
    where = [*_of(organization_id), Where("startedAt", ">=", since)]
    return Query(collections.print_jobs, where, [("startedAt", "desc")], limit)


def pending_commands(collections: Collections, organization_id: str | None, limit: int) -> Query:
    """Commands that nobody has claimed, the oldest first."""
    where = [*_of(organization_id), Where("status", "==", CommandStatus.PENDING.value)]
    return Query(collections.printer_commands, where, [("createdAt", "asc")], limit)


def completed_commands(collections: Collections, organization_id: str | None, since: datetime, limit: int) -> Query:
    """Commands that were carried out since a moment, the newest first."""
    done = Where("status", "==", CommandStatus.COMPLETED.value)
    where = [*_of(organization_id), done, Where("completedAt", ">=", since)]
    return Query(collections.printer_commands, where, [("completedAt", "desc")], limit)


def newest_processed(collections: Collections, organization_id: str | None, limit: int) -> Query:
    """Notes of what consumers have dealt with, the newest first."""
    return Query(collections.processed_events, _of(organization_id), [("processedAt", "desc")], limit)


def dead_letters_kept(collections: Collections, organization_id: str | None, limit: int) -> Query:
    """Messages that were tried in vain, and wait for somebody."""
    return Query(collections.dead_letters, [*_of(organization_id), Where("status", "==", "dead")], limit=limit)


def _of(organization_id: str | None) -> list[Where]:
    return [Where("organizationId", "==", organization_id)] if organization_id is not None else []
