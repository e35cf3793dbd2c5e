"""How the `printernizer` dialect shows files on their way."""

import math
from datetime import datetime
from typing import Literal

from printpipe.dialects import printernizer
from printpipe.domain.transfers import Transfer, TransferStatus

GUESSED_SPEED = 2_000_000
"""Bytes in a second, before anything is known."""

Word = Literal["downloading", "completed", "failed"]


class Trouble(printernizer.Part):
    """Why a file did not come."""

    code: str
    message: str


class DownloadStatus(printernizer.Reply):
    """How far a download is: percent, bytes of the present attempt, megabytes in a second, seconds."""

    download_id: str
    file_id: str
    status: Word
    progress: float
    bytes_downloaded: int
    bytes_total: int | None
    speed_mbps: float | None
    estimated_remaining: int | None
    attempt: int
    started_at: printernizer.Time
    completed_at: printernizer.Time | None
    error: Trouble | None


def download_status(file_id: str, transfer: Transfer, now: datetime) -> DownloadStatus:
    """A download as it stands, of the file that is called so."""
    speed = speed_of(transfer, now)
    return DownloadStatus(
        download_id=transfer.transfer_id,
        file_id=file_id,
        status=word(transfer.status),
        progress=percent(transfer),
        bytes_downloaded=transfer.bytes_done,
        bytes_total=transfer.bytes_total,
        speed_mbps=None if speed is None else round(speed / 1e6, 2),
        estimated_remaining=remaining_seconds(transfer, speed),
        attempt=transfer.attempt,
        started_at=transfer.started_at or transfer.created_at,
        completed_at=transfer.ended_at,
        error=trouble(transfer),
    )


def word(status: TransferStatus) -> Word:
    """A download's state in this dialect's words."""
    if status == TransferStatus.COMPLETED:
        return "completed"
    return "failed" if status.is_over else "downloading"


def percent(transfer: Transfer) -> float:
    """How far it is; 100 only once it is completed: behind the last byte the file is verified."""
    if transfer.status == TransferStatus.COMPLETED:
        return 100.0
    if not transfer.bytes_total:
        return 0.0
    return min(round(100 * transfer.bytes_done / transfer.bytes_total, 1), 99.9)


def speed_of(transfer: Transfer, now: datetime) -> float | None:
    """Bytes in a second since it began; None before anything has come."""
    if transfer.started_at is None or not transfer.bytes_done:
        return None
    return transfer.bytes_done / max(((transfer.ended_at or now) - transfer.started_at).total_seconds(), 0.001)


def remaining_seconds(transfer: Transfer, speed: float | None) -> int | None:
    """How long the rest takes at that speed; None where it cannot be told."""
    if transfer.status.is_over:
        return 0 if transfer.status == TransferStatus.COMPLETED else None
    if transfer.bytes_total is None:
        return None
    return math.ceil((transfer.bytes_total - transfer.bytes_done) / (speed or GUESSED_SPEED))


def duration(size: int | None) -> int:
    """How long a file of that size may take, in seconds."""
    return max(1, math.ceil((size or 0) / GUESSED_SPEED))


def trouble(transfer: Transfer) -> Trouble | None:
    """Why it has failed, if it has."""
    if word(transfer.status) != "failed":
        return None
    return Trouble(code=transfer.error_code or "unknown", message=transfer.error or "It failed")
