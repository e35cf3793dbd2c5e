"""Every question that the services ask of the document store; `firestore.indexes.json` is derived from these functions.

Each takes the collections' names and the values to look for; None leaves a condition out.
"""

from collections.abc import Sequence
from datetime import datetime

from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def pending_commands(
    collections: Collections, recipient_id: str, serial: str | None, alive_at: datetime | None, limit: int
) -> Query:
    """A recipient's pending commands, those that expire first in front; `alive_at` leaves out what is overdue then."""
    return Query(
        collections.printer_commands,
        [
            Where("recipientId", "==", recipient_id),
            *([Where("printerSerial", "==", serial)] if serial is not None else []),
            Where("status", "==", CommandStatus.PENDING.value),
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
        [Where("recipientId", "==", recipient_id), Where("productId", "==", product_id)],
        [("createdAt", "desc")],
        limit,
    )


def files_of_object(collections: Collections, organization_id: str, object_name: str) -> Query:
    """The organization's file that is stored under a name in the bucket."""
    return Query(
        collections.files,
        [Where("organizationId", "==", organization_id), Where("gcsPath", "==", object_name)],
        limit=1,
    )


def printers_at_address(collections: Collections, recipient_id: str, address: str) -> Query:
    """A printer that was last seen at an address of a site."""
    return Query(
        collections.printers,
        [Where("recipientId", "==", recipient_id), Where("ipAddress", "==", address)],
        limit=1,
    )
