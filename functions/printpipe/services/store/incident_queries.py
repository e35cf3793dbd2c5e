"""The questions that are asked of incidents, as `queries` says."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where

IncidentsOf = tuple[Literal["printerId", "recipientId"], str]
"""The printer or the site whose incidents are asked for."""


def newest_of_series(collections: Collections, series: str, limit: int) -> Query:
    """The last episodes of one error at one printer, the newest first."""
    return Query(collections.incidents, [Where("series", "==", series)], [("number", "desc")], limit)


def related_incidents(collections: Collections, group: str, kind: str, since: datetime, limit: int) -> Query:
    """A printer's incidents of one origin and kind that were seen since a moment, those in front that ended first."""
    where = [Where("group", "==", group), Where("kind", "==", kind), Where("lastSeenAt", ">=", since)]
    return Query(collections.incidents, where, [("lastSeenAt", "asc")], limit)


def incidents_of_organization(
    collections: Collections,
    organization_id: str,
    statuses: Sequence[str],
    severity: str | None,
    of: IncidentsOf | None,
    limit: int | None,
) -> Query:
    """An organization's incidents in these states, those that were seen last in front."""
    return Query(
        collections.incidents,
        [
            Where("organizationId", "==", organization_id),
            Where("status", "in", statuses),
            *([Where("severity", "==", severity)] if severity is not None else []),
            *([Where(of[0], "==", of[1])] if of is not None else []),
        ],
        [("lastSeenAt", "desc")],
        limit,
    )
