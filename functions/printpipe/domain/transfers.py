"""Files on printers, and their way from and to there, as they are stored."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from printpipe.domain.records import Record, Stored

STORED = "stored"
"""The status of a stored file that came from a printer: it never had a job."""


class TransferStatus(StrEnum):
    """Where a transfer stands; the last three are final."""

    WAITING = "waiting"
    COPYING = "copying"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more becomes of it."""
        return self in (TransferStatus.COMPLETED, TransferStatus.FAILED, TransferStatus.CANCELLED)


class Transfer(Stored):
    """`transfers/{transferId}`: a file's way from a printer into the bucket (`fetch`), or to a printer (`send`).

    `printer_file_id` names the file on the printer. `file_id` is the stored file: that of a `send`, or what a `fetch`
    has made. `attempt` counts from 1; `bytes_done` never falls within one. `active` is True until it is over.
    """

    transfer_id: str
    organization_id: str
    recipient_id: str
    printer_id: str
    kind: Literal["fetch", "send"]
    path: str | None = None
    file_name: str
    printer_file_id: str | None = None
    file_id: str | None = None
    command_id: str | None = None
    status: TransferStatus
    active: bool
    attempt: int = 0
    bytes_done: int = 0
    bytes_total: int | None = None
    object_name: str | None = None
    sha256: str | None = None
    md5: str | None = None
    modified_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    requested_by: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime


class PrinterFile(Record):
    """A file on a printer's storage: its path there, bytes."""

    path: str
    name: str
    size: int
    modified_at: datetime | None = None


class PrinterStorage(Stored):
    """`printer_storages/{printerId}`: what a printer's storage held when the agent looked last."""

    printer_id: str
    organization_id: str
    recipient_id: str
    files: tuple[PrinterFile, ...] = ()
    truncated: bool = False
    command_id: str | None = None
    listed_at: datetime
