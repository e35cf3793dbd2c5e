"""The questions that an organization's book of jobs asks, as `queries` says."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where

Booked = tuple[Literal["printerId", "wantedPrinterId", "recipientId"], str]
"""The printer that jobs were given to or are to be printed by, or the site whose jobs are asked for."""


def jobs_by_creation(
    collections: Collections,
    organization_id: str,
    statuses: Sequence[str],
    is_business: bool | None,
    of: Booked | None,
    since: datetime | None,
    until: datetime | None,
    direction: Literal["asc", "desc"],
    limit: int | None,
) -> Query:
    """An organization's jobs in these states that were made between two moments, both included.

    Of those that want a printer, those that were not given to one yet.
    """
    unplaced = [Where("printerId", "==", None)] if of is not None and of[0] == "wantedPrinterId" else []
    return Query(
        collections.print_jobs,
        [
            Where("organizationId", "==", organization_id),
            Where("deletedAt", "==", None),
            Where("status", "in", statuses),
            *([Where("isBusiness", "==", is_business)] if is_business is not None else []),
            *([Where(of[0], "==", of[1])] if of is not None else []),
            *unplaced,
            *([Where("createdAt", ">=", since)] if since is not None else []),
            *([Where("createdAt", "<=", until)] if until is not None else []),
        ],
        [("createdAt", direction)],
        limit,
    )


def jobs_in_states(
    collections: Collections, organization_id: str, recipient_id: str | None, statuses: Sequence[str]
) -> Query:
    """An organization's jobs in these states, or a site's; to be counted."""
    return Query(
        collections.print_jobs,
        [
            Where("organizationId", "==", organization_id),
            Where("deletedAt", "==", None),
            *([Where("recipientId", "==", recipient_id)] if recipient_id is not None else []),
            Where("status", "in", statuses),
        ],
    )


def jobs_ended(
    collections: Collections, organization_id: str, recipient_id: str | None, status: str, since: datetime
) -> Query:
    """An organization's jobs, or a site's, that have ended so since a moment; to be counted."""
    return Query(
        collections.print_jobs,
        [
            Where("organizationId", "==", organization_id),
            Where("deletedAt", "==", None),
            *([Where("recipientId", "==", recipient_id)] if recipient_id is not None else []),
            Where("status", "==", status),
            Where("endedAt", ">=", since),
        ],
        [("endedAt", "desc")],
    )
