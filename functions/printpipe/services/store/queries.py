"""Every question that the services ask of the document store; `firestore.indexes.json` is derived from these functions.

Each takes the collections' names and the values to look for; None leaves a condition out.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where

JobsOf = tuple[Literal["productId", "printerId", "orderedBy", "recipientId"], str]
"""The one product, printer, user or site whose jobs are asked for."""


def pending_commands(
    collections: Collections,
    recipient_id: str,
    serial: str | None,
    lane: str | None,
    alive_at: datetime | None,
    limit: int,
) -> Query:
    """A recipient's pending commands, those that expire first in front; `alive_at` leaves out what is overdue then."""
    return Query(
        collections.printer_commands,
        [
            Where("recipientId", "==", recipient_id),
            *([Where("printerSerial", "==", serial)] if serial is not None else []),
            Where("status", "==", CommandStatus.PENDING.value),
            *([Where("lane", "==", lane)] if lane is not None else []),
            *([Where("expiresAt", ">", alive_at)] if alive_at is not None else []),
        ],
        [("expiresAt", "asc")],
        limit,
    )


def lapsed_commands(collections: Collections, recipient_id: str, holder: str, before: datetime, limit: int) -> Query:
    """Commands that an executor claimed and whose lease ended before that moment."""
    return Query(
        collections.printer_commands,
        [
            Where("recipientId", "==", recipient_id),
            Where("status", "==", CommandStatus.PROCESSING.value),
            Where("lease.holder", "==", holder),
            Where("lease.until", "<", before),
        ],
        [("lease.until", "asc")],
        limit,
    )


def newest_pending_commands(collections: Collections, recipient_id: str, limit: int) -> Query:
    """A recipient's pending commands, overdue or not, the newest first."""
    return Query(
        collections.printer_commands,
        [Where("recipientId", "==", recipient_id), Where("status", "==", CommandStatus.PENDING.value)],
        [("createdAt", "desc")],
        limit,
    )


def newest_files(collections: Collections, recipient_id: str, statuses: Sequence[str], limit: int) -> Query:
    """A recipient's files in these states, the newest first."""
    return Query(
        collections.files,
        [Where("recipientId", "==", recipient_id), Where("status", "in", statuses)],
        [("createdAt", "desc")],
        limit,
    )


def newest_files_of_product(collections: Collections, recipient_id: str, product_id: str, limit: int) -> Query:
    """A product's files at a recipient, the newest first."""
    return Query(
        collections.files,
        [
            Where("recipientId", "==", recipient_id),
            Where("productId", "==", product_id),
            Where("deletedAt", "==", None),
        ],
        [("createdAt", "desc")],
        limit,
    )


def newest_files_of_product_anywhere(
    collections: Collections, organization_id: str, product_id: str, limit: int
) -> Query:
    """A product's files at any site of an organization, the newest first."""
    return Query(
        collections.files,
        [
            Where("organizationId", "==", organization_id),
            Where("productId", "==", product_id),
            Where("deletedAt", "==", None),
        ],
        [("createdAt", "desc")],
        limit,
    )


def newest_jobs_of_product(
    collections: Collections, recipient_id: str, product_id: str, statuses: Sequence[str] | None, limit: int
) -> Query:
    """A product's jobs at a recipient, of all states or of these, the newest first."""
    return Query(
        collections.print_jobs,
        [
            Where("recipientId", "==", recipient_id),
            Where("productId", "==", product_id),
            *([Where("status", "in", statuses)] if statuses is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
    )


def files_of_object(collections: Collections, organization_id: str, object_name: str) -> Query:
    """The organization's file that is stored under a name in the bucket."""
    return Query(
        collections.files,
        [
            Where("organizationId", "==", organization_id),
            Where("gcsPath", "==", object_name),
            Where("deletedAt", "==", None),
        ],
        limit=1,
    )


def active_printers(collections: Collections, limit: int) -> Query:
    """Every organization's printers that are in use."""
    return Query(collections.printers, [Where("active", "==", True)], limit=limit)


def printers_at_address(collections: Collections, recipient_id: str, address: str) -> Query:
    """Printers that were last seen at an address of a site: one, or a few where it was given to another."""
    return Query(
        collections.printers,
        [
            Where("recipientId", "==", recipient_id),
            Where("ipAddress", "==", address),
            Where("deletedAt", "==", None),
        ],
        limit=5,
    )


def printers_without_serial(collections: Collections, recipient_id: str, limit: int) -> Query:
    """A site's printers in use whose serial is not known."""
    return Query(
        collections.printers,
        [
            Where("recipientId", "==", recipient_id),
            Where("serial", "==", None),
            Where("active", "==", True),
            Where("deletedAt", "==", None),
        ],
        limit=limit,
    )


def status_updates_of_printer(
    collections: Collections,
    printer_id: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    after: tuple[datetime, str] | None,
) -> Query:
    """A printer's history between two moments, the newest first; `after` continues behind an update."""
    return Query(
        collections.printer_status_updates,
        [
            Where("printerId", "==", printer_id),
            *([Where("createdAt", ">=", since)] if since is not None else []),
            *([Where("createdAt", "<=", until)] if until is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )


def printers_of_recipient(collections: Collections, recipient_id: str, limit: int) -> Query:
    """A site's printers."""
    where = [Where("recipientId", "==", recipient_id), Where("deletedAt", "==", None)]
    return Query(collections.printers, where, limit=limit)


def newest_organizations(collections: Collections, limit: int, after: tuple[datetime, str] | None) -> Query:
    """Every organization, the newest first; `after` continues behind one."""
    return Query(collections.organizations, (), [("createdAt", "desc")], limit, after)


def recipients_of_organization(
    collections: Collections, organization_id: str, limit: int, after: tuple[datetime, str] | None
) -> Query:
    """An organization's sites, the newest first; `after` continues behind one."""
    where = [Where("organizationId", "==", organization_id)]
    return Query(collections.recipients, where, [("createdAt", "desc")], limit, after)


def keys_of_organization(
    collections: Collections,
    organization_id: str,
    recipient_id: str | None,
    limit: int,
    after: tuple[datetime, str] | None,
) -> Query:
    """An organization's keys, or those of one recipient, the newest first; `after` continues behind one."""
    return Query(
        collections.api_keys,
        [
            Where("organizationId", "==", organization_id),
            *([Where("recipientIds", "array_contains", recipient_id)] if recipient_id is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )


def key_by_id(collections: Collections, organization_id: str | None, key_id: str) -> Query:
    """The key that people call so, in one organization or in any."""
    return Query(
        collections.api_keys,
        [
            *([Where("organizationId", "==", organization_id)] if organization_id is not None else []),
            Where("keyId", "==", key_id),
        ],
        limit=1,
    )


def members_of_organization(
    collections: Collections, organization_id: str, limit: int, after: tuple[datetime, str] | None
) -> Query:
    """An organization's memberships, the newest first; `after` continues behind one."""
    where = [Where("organizationId", "==", organization_id)]
    return Query(collections.memberships, where, [("createdAt", "desc")], limit, after)


def audit_entries(
    collections: Collections,
    organization_id: str,
    since: datetime | None,
    limit: int,
    after: tuple[datetime, str] | None,
) -> Query:
    """What was done in an organization from a moment on, the newest first; `after` continues behind an entry."""
    return Query(
        collections.audit_log,
        [
            Where("organizationId", "==", organization_id),
            *([Where("createdAt", ">=", since)] if since is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )


def events_of_recipient(
    collections: Collections,
    recipient_id: str,
    event_type: str | None,
    since: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Query:
    """What happened at a site, the newest first: one type or all, not older than `since`, behind `after`."""
    return Query(
        collections.printer_events,
        [
            Where("recipientId", "==", recipient_id),
            *([Where("eventType", "==", event_type)] if event_type is not None else []),
            *([Where("createdAt", ">=", since)] if since is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )


def events_of_job(collections: Collections, recipient_id: str, job_id: str, event_type: str) -> Query:
    """An event of this type about a job."""
    return Query(
        collections.printer_events,
        [
            Where("recipientId", "==", recipient_id),
            Where("printJobId", "==", job_id),
            Where("eventType", "==", event_type),
        ],
        limit=1,
    )


def newest_jobs_at_printer(
    collections: Collections, recipient_id: str, serial: str, statuses: Sequence[str], until: datetime, limit: int
) -> Query:
    """A printer's jobs in these states that were there by a moment, the newest first."""
    return Query(
        collections.print_jobs,
        [
            Where("recipientId", "==", recipient_id),
            Where("printerSerial", "==", serial),
            Where("status", "in", statuses),
            Where("createdAt", "<=", until),
        ],
        [("createdAt", "desc")],
        limit,
    )


def jobs_ended_at_printer(
    collections: Collections, recipient_id: str, serial: str, since: datetime, until: datetime
) -> Query:
    """The printer's last job that ended between two moments."""
    return Query(
        collections.print_jobs,
        [
            Where("recipientId", "==", recipient_id),
            Where("printerSerial", "==", serial),
            Where("endedAt", ">=", since),
            Where("endedAt", "<=", until),
        ],
        [("endedAt", "desc")],
        limit=1,
    )


def printers_by_id(collections: Collections, limit: int, after: str | None) -> Query:
    """Every organization's printers, deleted ones too, in the order of their ids; `after` continues behind one."""
    return Query(collections.printers, limit=limit, after=None if after is None else [after])


def oldest_status_updates(collections: Collections, printer_id: str, limit: int) -> Query:
    """A printer's history, the oldest first."""
    return Query(
        collections.printer_status_updates, [Where("printerId", "==", printer_id)], [("createdAt", "asc")], limit
    )


def waiting_jobs(collections: Collections, organization_id: str, after: tuple[str, str] | None, limit: int) -> Query:
    """An organization's jobs that wait for a printer to be chosen, by turn; `after` continues behind one."""
    return Query(
        collections.print_jobs,
        [Where("organizationId", "==", organization_id), Where("waits", "==", True)],
        [("turn", "asc")],
        limit,
        after,
    )


def next_waiting_organization(collections: Collections, after: str | None) -> Query:
    """A waiting job of the first organization that has one, behind an organization in the order of the ids."""
    return Query(
        collections.print_jobs,
        [
            Where("waits", "==", True),
            *([Where("organizationId", ">", after)] if after is not None else []),
        ],
        [("organizationId", "asc")],
        limit=1,
    )


def jobs_past_deadline(collections: Collections, at: datetime, limit: int) -> Query:
    """Jobs that have waited for too long by a moment."""
    return Query(collections.print_jobs, [Where("deadlineAt", "<=", at)], [("deadlineAt", "asc")], limit)


def printers_of_organization(
    collections: Collections,
    organization_id: str,
    active: bool | None,
    limit: int,
    after: tuple[datetime, str] | None,
    recipient_id: str | None = None,
) -> Query:
    """An organization's printers, or a site's, that were not deleted, the newest first; `after` goes on behind one."""
    return Query(
        collections.printers,
        [
            Where("organizationId", "==", organization_id),
            Where("deletedAt", "==", None),
            *([Where("active", "==", active)] if active is not None else []),
            *([Where("recipientId", "==", recipient_id)] if recipient_id is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )


def sites_of_agents(collections: Collections, heard_since: datetime | None, limit: int) -> Query:
    """Every organization's sites that have our agent, or those of them that were heard of since a moment."""
    return Query(
        collections.recipients,
        [
            Where("client", "==", "agent"),
            *([Where("lastSeenAt", ">=", heard_since)] if heard_since is not None else []),
        ],
        [("lastSeenAt", "desc")] if heard_since is not None else (),
        limit,
    )


def agent_heard_last(collections: Collections) -> Query:
    """The site of the agent that was heard of last, in any organization."""
    return Query(collections.recipients, [Where("client", "==", "agent")], [("lastSeenAt", "desc")], limit=1)


def jobs_of_organization(
    collections: Collections,
    organization_id: str,
    statuses: Sequence[str] | None,
    of: JobsOf | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Query:
    """An organization's jobs, of all states or of these, the newest first; `of` as it says."""
    return Query(
        collections.print_jobs,
        [
            Where("organizationId", "==", organization_id),
            Where("deletedAt", "==", None),
            *([Where("status", "in", statuses)] if statuses is not None else []),
            *([Where(of[0], "==", of[1])] if of is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )


def jobs_that_want_printer(
    collections: Collections,
    organization_id: str,
    statuses: Sequence[str] | None,
    printer_id: str,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Query:
    """Jobs that are to be printed by a printer and were not given to one yet, likewise."""
    return Query(
        collections.print_jobs,
        [
            Where("organizationId", "==", organization_id),
            Where("deletedAt", "==", None),
            *([Where("status", "in", statuses)] if statuses is not None else []),
            Where("wantedPrinterId", "==", printer_id),
            Where("printerId", "==", None),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )


def commands_of_organization(
    collections: Collections,
    organization_id: str,
    statuses: Sequence[str] | None,
    of: tuple[Literal["printerId", "printerSerial"], str] | None,
    since: datetime | None,
    until: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Query:
    """An organization's commands, of all states or of these, the newest first; `of` the printer that they name so.

    They were ordered between two moments; `after` continues behind one.
    """
    return Query(
        collections.printer_commands,
        [
            Where("organizationId", "==", organization_id),
            Where("deletedAt", "==", None),
            *([Where("status", "in", statuses)] if statuses is not None else []),
            *([Where(of[0], "==", of[1])] if of is not None else []),
            *([Where("createdAt", ">=", since)] if since is not None else []),
            *([Where("createdAt", "<=", until)] if until is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
        after,
    )
