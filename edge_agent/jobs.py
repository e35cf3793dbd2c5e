"""The jobs this agent started, remembered across reconnects and restarts."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from edge_agent.store import Store
from edge_agent.timestamps import Clock


class Phase(StrEnum):
    """How far a job is, as the printer has shown it."""

    PUBLISHING = "publishing"
    """the start is about to be published, or was: the printer has not shown the job"""
    ACCEPTED = "accepted"
    """the printer acknowledged the start"""
    ACTIVE = "active"
    """the printer reports the job"""
    ENDED = "ended"
    REFUSED = "refused"
    """the start never took effect"""


KEEP = 2_000
"""How many jobs are remembered after their end."""

LIVE = frozenset({Phase.PUBLISHING, Phase.ACCEPTED, Phase.ACTIVE})

SENT_PHASES = frozenset({Phase.PUBLISHING, Phase.ACCEPTED})
"""Sent, and not shown by the printer yet."""


class Job(BaseModel):
    """One start of one file. `marker` is what the printer shows of it: the subtask's name, unique per start."""

    model_config = ConfigDict(frozen=True)

    marker: str
    subtask_id: str = "0"
    printer: str
    command_id: str = ""
    print_job_id: str | None = None
    file_name: str = ""
    phase: Phase = Phase.PUBLISHING
    published_at: datetime
    layer_before: int = 0
    preparing_reported: bool = False
    started_reported: bool = False
    first_layer_reported: bool = False
    paused: bool = False
    stop_command_id: str | None = None
    told_at: datetime | None = None
    """when its latest event happened, by the cloud's clock"""

    @property
    def is_ours(self) -> bool:
        """Whether the agent started it; others are started at the printer or by another program."""
        return self.command_id != ""


class JobBook:
    """Jobs by marker."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def save(self, job: Job) -> None:
        """Write the job's present state. Of what others start, only the printer's last one is kept.

        What is about to be sent is the printer's newest job, even if it was about to be sent before.
        """
        key = job.marker if job.is_ours else f"external:{job.printer}"
        if not job.is_ours or job.phase is Phase.PUBLISHING:
            self._store.execute("DELETE FROM jobs WHERE marker = ?", (key,))
        self._store.execute(
            "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (marker) DO UPDATE SET"
            " body = excluded.body, phase = excluded.phase, updated_at = excluded.updated_at",
            (
                key,
                job.printer,
                job.command_id,
                job.print_job_id,
                job.model_dump_json(),
                job.phase,
                self._clock.now().timestamp(),
            ),
        )

    def job(self, marker: str) -> Job | None:
        """The job with this marker."""
        row = self._store.row("SELECT body FROM jobs WHERE marker = ?", (marker,))
        return None if row is None else Job.model_validate_json(row["body"])

    def live(self, printer: str) -> Job | None:
        """The printer's newest job, while it has not ended."""
        job = self._newest(printer)
        return job if job is not None and job.phase in LIVE else None

    def stopped(self, printer: str) -> Job | None:
        """The printer's newest job, where a stop has ended it: the printer may begin it all the same."""
        job = self._newest(printer)
        ended = job is not None and job.is_ours and job.phase is Phase.ENDED
        return job if job is not None and ended and job.stop_command_id is not None else None

    def _newest(self, printer: str) -> Job | None:
        row = self._store.row("SELECT body FROM jobs WHERE printer = ? ORDER BY rowid DESC LIMIT 1", (printer,))
        return None if row is None else Job.model_validate_json(row["body"])

    def prune(self) -> None:
        """Forget what ended long ago."""
        self._store.execute(
            "DELETE FROM jobs WHERE phase IN (?, ?) AND rowid <= (SELECT max(rowid) FROM jobs) - ?",
            (Phase.ENDED, Phase.REFUSED, KEEP),
        )
