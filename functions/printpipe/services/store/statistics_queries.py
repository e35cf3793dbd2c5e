"""What is counted of an organization as it stands, beside the daily documents; nothing of it is read."""

from datetime import datetime
from typing import Literal

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def printers_in_use(collections: Collections, organization_id: str, heard_since: datetime | None) -> Query:
    """An organization's printers that are in use, or those of them whose report came in since a moment."""
    return Query(
        collections.printers,
        [
            Where("organizationId", "==", organization_id),
            Where("active", "==", True),
            Where("deletedAt", "==", None),
            *([Where("state.receivedAt", ">=", heard_since)] if heard_since is not None else []),
        ],
    )


def stored_files(collections: Collections, organization_id: str) -> Query:
    """An organization's stored files, by their size in bytes."""
    where = [Where("organizationId", "==", organization_id), Where("deletedAt", "==", None)]
    return Query(collections.files, where, [("size", "asc")])


def files_from_printers(collections: Collections, organization_id: str) -> Query:
    """Those of its stored files that were copied from a printer."""
    where = [Where("organizationId", "==", organization_id), Where("deletedAt", "==", None)]
    return Query(collections.files, where, [("origin.printerId", "asc")])


def ended_downloads(collections: Collections, organization_id: str, status: Literal["completed", "failed"]) -> Query:
    """Copies of files from printers that ended so."""
    return Query(
        collections.transfers,
        [
            Where("organizationId", "==", organization_id),
            Where("kind", "==", "fetch"),
            Where("status", "==", status),
        ],
    )
