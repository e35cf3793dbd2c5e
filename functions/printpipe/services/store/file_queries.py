"""What is asked of the document store about files: those on printers, those that were copied, and their transfers."""

from datetime import datetime
from typing import Literal

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where

FileOf = tuple[Literal["printerFileId", "fileId"], str]
"""The file whose transfers are asked for: as its printer's storage has it, or as it is stored."""


def storages_of_organization(
    collections: Collections, organization_id: str, limit: int, after: str | None = None
) -> Query:
    """What an organization's printers held when they were last looked at; `after` continues behind a printer's."""
    behind = [after] if after is not None else None
    return Query(
        collections.printer_storages, [Where("organizationId", "==", organization_id)], limit=limit, after=behind
    )


def copies_of_printer_file(
    collections: Collections, organization_id: str, printer_id: str, path: str, limit: int
) -> Query:
    """The stored files that were copied from a path on a printer and are there still."""
    return Query(
        collections.files,
        [
            Where("organizationId", "==", organization_id),
            Where("origin.printerId", "==", printer_id),
            Where("origin.path", "==", path),
            Where("deletedAt", "==", None),
        ],
        limit=limit,
    )


def newest_transfers(
    collections: Collections, organization_id: str, of: FileOf, kind: Literal["fetch", "send"] | None, limit: int
) -> Query:
    """A file's transfers, of one kind or both, the newest first."""
    return Query(
        collections.transfers,
        [
            Where("organizationId", "==", organization_id),
            Where(of[0], "==", of[1]),
            *([Where("kind", "==", kind)] if kind is not None else []),
        ],
        [("createdAt", "desc")],
        limit,
    )


def active_transfers(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's transfers that are not over."""
    return Query(
        collections.transfers,
        [Where("organizationId", "==", organization_id), Where("active", "==", True)],
        limit=limit,
    )


def quiet_transfers(collections: Collections, before: datetime, limit: int) -> Query:
    """The transfers that are not over and of which nothing was heard since, the quietest first."""
    return Query(
        collections.transfers,
        [Where("active", "==", True), Where("updatedAt", "<", before)],
        [("updatedAt", "asc")],
        limit,
    )


def jobs_of_file(collections: Collections, organization_id: str, file_id: str, limit: int) -> Query:
    """The jobs that print a stored file, the newest first."""
    return Query(
        collections.print_jobs,
        [Where("organizationId", "==", organization_id), Where("fileId", "==", file_id)],
        [("createdAt", "desc")],
        limit,
    )


def newest_stored_files(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's files that are stored and were not deleted, the newest first."""
    return Query(
        collections.files,
        [Where("organizationId", "==", organization_id), Where("deletedAt", "==", None)],
        [("createdAt", "desc")],
        limit,
    )


def newest_downloads(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's transfers from printers, the newest first."""
    return Query(
        collections.transfers,
        [Where("organizationId", "==", organization_id), Where("kind", "==", "fetch")],
        [("createdAt", "desc")],
        limit,
    )


def downloads_in_state(collections: Collections, organization_id: str, recipient_id: str | None, status: str) -> Query:
    """An organization's transfers from printers, or those of one of its sites, that came to this state."""
    return Query(
        collections.transfers,
        [
            Where("organizationId", "==", organization_id),
            *([Where("recipientId", "==", recipient_id)] if recipient_id is not None else []),
            Where("kind", "==", "fetch"),
            Where("status", "==", status),
        ],
    )
