"""What may become of a job and of a command: one table each."""

from collections.abc import Mapping
from enum import StrEnum


class CommandStatus(StrEnum):
    """Where a printer command stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class JobStatus(StrEnum):
    """Where a print job stands."""

    HELD = "held"
    QUEUED = "queued"
    CLAIMED = "claimed"
    PREPARING = "preparing"
    PRINTING = "printing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Priority(StrEnum):
    """How urgent a job is, the least first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"

    @property
    def rank(self) -> int:
        """0 for the least urgent."""
        return list(Priority).index(self)


class UploadStatus(StrEnum):
    """Where a file stands that its sender puts into the bucket itself; both ends are final."""

    UPLOADING = "uploading"
    COMPLETED = "completed"
    FAILED = "failed"


_C = CommandStatus
COMMANDS: Mapping[CommandStatus, frozenset[CommandStatus]] = {
    _C.PENDING: frozenset({_C.PROCESSING, _C.COMPLETED, _C.FAILED, _C.EXPIRED, _C.CANCELLED}),
    _C.PROCESSING: frozenset({_C.PENDING, _C.COMPLETED, _C.FAILED, _C.UNKNOWN}),
    _C.UNKNOWN: frozenset({_C.COMPLETED, _C.FAILED}),
    _C.COMPLETED: frozenset(),
    _C.FAILED: frozenset(),
    _C.EXPIRED: frozenset(),
    _C.CANCELLED: frozenset(),
}
"""The steps a command may take; a state without any is final.

Besides, `services/commands/execution` takes the word of our agent that it carried out a stop which had expired.
"""

_J = JobStatus
ENDED_JOBS = frozenset({_J.COMPLETED, _J.FAILED, _J.CANCELLED})
AT_THE_PRINTER = frozenset({_J.PREPARING, _J.PRINTING, _J.PAUSED})
"""Where a job occupies a printer."""

JOBS: Mapping[JobStatus, frozenset[JobStatus]] = {
    _J.HELD: ENDED_JOBS | AT_THE_PRINTER | {_J.QUEUED, _J.CLAIMED, _J.UNKNOWN},
    _J.QUEUED: ENDED_JOBS | AT_THE_PRINTER | {_J.CLAIMED, _J.UNKNOWN},
    _J.CLAIMED: ENDED_JOBS | AT_THE_PRINTER | {_J.UNKNOWN},
    _J.PREPARING: ENDED_JOBS | {_J.PRINTING, _J.PAUSED, _J.UNKNOWN},
    _J.PRINTING: ENDED_JOBS | {_J.PAUSED, _J.UNKNOWN},
    _J.PAUSED: ENDED_JOBS | {_J.PRINTING, _J.UNKNOWN},
    _J.UNKNOWN: ENDED_JOBS | AT_THE_PRINTER,
    _J.COMPLETED: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
}
"""The steps a job may take; reports can be lost or late, so a later state may be reached past an earlier one.

Besides, `services/jobs/steps` takes a job back to the queue whose start nobody took or which has plates left, and to
a person when it has waited for too long; no report tells of that.
"""

_FILE_WORDS: Mapping[JobStatus, str] = {
    _J.HELD: "uploaded",
    _J.QUEUED: "queued",
    _J.CLAIMED: "claimed",
    _J.PREPARING: "printing",
    _J.PRINTING: "printing",
    _J.PAUSED: "printing",
    _J.UNKNOWN: "printing",
    _J.COMPLETED: "completed",
    _J.FAILED: "failed",
    _J.CANCELLED: "failed",
}


def file_status(job: JobStatus) -> str:
    """What a stored file's `status` says while its newest job is in this state."""
    return _FILE_WORDS[job]
