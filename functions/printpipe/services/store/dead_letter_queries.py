"""What is asked of the dead letters."""

from collections.abc import Sequence
from datetime import datetime

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def dead_letters(
    collections: Collections,
    organization_id: str | None,
    function: str | None,
    statuses: Sequence[str],
    after: tuple[datetime, str] | None,
    limit: int,
) -> Query:
    """Dead letters of an organization or of all, of one function or of all, in these states, the newest first."""
    return Query(
        collections.dead_letters,
        [
            *([Where("organizationId", "==", organization_id)] if organization_id is not None else []),
            *([Where("function", "==", function)] if function is not None else []),
            Where("status", "in", statuses),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )
