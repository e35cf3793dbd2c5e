"""What scheduled work looks for: each question finds what has to be done, and nothing else, by an index."""

from datetime import datetime

from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def overdue_commands(collections: Collections, before: datetime, via_bus: bool, limit: int) -> Query:
    """Commands that are pending though their time ended before a moment: of agents' sites, or of polling clients'."""
    return Query(
        collections.printer_commands,
        [
            Where("status", "==", CommandStatus.PENDING.value),
            Where("viaBus", "==", via_bus),
            Where("expiresAt", "<", before),
        ],
        [("expiresAt", "asc")],
        limit,
    )


def forsaken_commands(collections: Collections, before: datetime, via_bus: bool, limit: int) -> Query:
    """Commands under way whose lease ended before a moment, likewise."""
    return Query(
        collections.printer_commands,
        [
            Where("status", "==", CommandStatus.PROCESSING.value),
            Where("viaBus", "==", via_bus),
            Where("lease.until", "<", before),
        ],
        [("lease.until", "asc")],
        limit,
    )


def commands_unheard(collections: Collections, after: datetime, until: datetime, limit: int) -> Query:
    """Commands for agents that were ordered behind one moment and by another, and are pending."""
    return Query(
        collections.printer_commands,
        [
            Where("status", "==", CommandStatus.PENDING.value),
            Where("viaBus", "==", True),
            Where("createdAt", ">", after),
            Where("createdAt", "<=", until),
        ],
        [("createdAt", "asc")],
        limit,
    )


def printers_fallen_silent(collections: Collections, heard_by: datetime, limit: int) -> Query:
    """Printers that are taken for online and have shown nothing of themselves since a moment."""
    return Query(
        collections.printers,
        [Where("presence.status", "==", "online"), Where("state.shownAt", "<=", heard_by)],
        [("state.shownAt", "asc")],
        limit,
    )


def printers_heard_again(collections: Collections, heard_after: datetime, limit: int) -> Query:
    """Printers that are taken for offline and have shown something of themselves after a moment, the latest last."""
    return Query(
        collections.printers,
        [Where("presence.status", "==", "offline"), Where("state.shownAt", ">", heard_after)],
        [("state.shownAt", "asc")],
        limit,
    )


def printers_silent_with_site(collections: Collections, recipient_id: str, limit: int) -> Query:
    """A site's printers that fell silent together with it."""
    return Query(
        collections.printers,
        [Where("recipientId", "==", recipient_id), Where("presence.withSite", "==", True)],
        limit=limit,
    )


def sites_fallen_silent(collections: Collections, heard_by: datetime, limit: int) -> Query:
    """Sites of our agents that are taken for online and were not heard of since a moment."""
    return Query(
        collections.recipients,
        [
            Where("client", "==", "agent"),
            Where("presence.status", "==", "online"),
            Where("lastSeenAt", "<=", heard_by),
        ],
        [("lastSeenAt", "asc")],
        limit,
    )


def sites_heard_again(collections: Collections, heard_after: datetime, limit: int) -> Query:
    """Sites of our agents that are taken for offline and were heard of after a moment."""
    return Query(
        collections.recipients,
        [
            Where("client", "==", "agent"),
            Where("presence.status", "==", "offline"),
            Where("lastSeenAt", ">", heard_after),
        ],
        [("lastSeenAt", "asc")],
        limit,
    )


def organizations_by_id(collections: Collections, after: str | None, limit: int) -> Query:
    """Every organization, in the order of their ids; `after` continues behind one."""
    return Query(collections.organizations, limit=limit, after=None if after is None else [after])


def jobs_ended_between(
    collections: Collections,
    organization_id: str,
    since: datetime,
    before: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Query:
    """An organization's jobs that ended in a span, in that order; `after` continues behind one."""
    return Query(
        collections.print_jobs,
        [
            Where("organizationId", "==", organization_id),
            Where("endedAt", ">=", since),
            Where("endedAt", "<", before),
        ],
        [("endedAt", "asc")],
        limit,
        after,
    )
