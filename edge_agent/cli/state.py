"""The state of an agent that runs, from its status file, and of one that does not, from its store."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from edge_agent.agent import DATABASE
from edge_agent.config import AgentConfig
from edge_agent.status_file import NAME
from edge_agent.timestamps import utc_now

STALE = timedelta(seconds=15)
"""A running agent writes its file every five seconds."""

Moment = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class CloudLine(_Part):
    """`reachable` is None before the first call."""

    reachable: bool | None
    since: Moment
    problem: str | None = None


class Waiting(_Part):
    """What waits for the cloud: `bytes` and `oldest` of all together; how many of each kind are the other fields."""

    model_config = ConfigDict(frozen=True, extra="allow")

    bytes: int
    oldest: Moment | None

    @property
    def numbers(self) -> Mapping[str, int]:
        """How many wait, by kind."""
        return {name: number for name, number in (self.model_extra or {}).items() if isinstance(number, int)}


class PrinterLine(_Part):
    """One printer; `problem` is for the operator, `job` the print job's id."""

    serial: str
    name: str | None
    address: str
    state: str
    connected: bool
    problem: str | None
    job: str | None


class Status(_Part):
    """What the agent last wrote. `clock_skew` is in seconds, positive where this machine's clock is ahead.

    `store_problem`: why nothing can be kept on the disk; then only stops are carried out.
    """

    version: str
    pid: int
    recipient_id: str
    started_at: Moment
    updated_at: Moment
    cloud: CloudLine
    clock_skew: float
    store_problem: str | None = None
    outbox: Waiting
    printers: tuple[PrinterLine, ...]

    @property
    def age(self) -> timedelta:
        """The time since it was written."""
        return utc_now() - self.updated_at

    @property
    def is_alive(self) -> bool:
        """Whether the agent still runs."""
        return abs(self.age) <= STALE and _exists(self.pid)


def last_status(settings: AgentConfig) -> Status | None:
    """What the agent last wrote; None where it ended in order, has never run, or wrote what cannot be read."""
    try:
        return Status.model_validate_json((settings.state_dir / NAME).read_bytes())
    except (OSError, ValueError):
        return None


def waiting_in_store(settings: AgentConfig) -> Waiting:
    """What waits in the store of an agent that does not run. Raises OSError and sqlite3.Error."""
    path = settings.state_dir / DATABASE
    if not path.exists():
        return Waiting(bytes=0, oldest=None)
    with open_store(path) as store:
        rows = store.execute("SELECT kind, reports, bytes FROM outbox_totals").fetchall()
        (oldest,) = store.execute("SELECT min(created_at) FROM outbox").fetchone()
    numbers: dict[str, Any] = {kind: reports for kind, reports, _ in rows}
    moment = None if oldest is None else datetime.fromtimestamp(oldest, UTC)
    return Waiting(bytes=sum(size for *_, size in rows), oldest=moment, **numbers)


@contextmanager
def open_store(path: Path) -> Iterator[sqlite3.Connection]:
    """The store for reading. Raises sqlite3.Error where it is damaged, or in use."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    try:
        yield connection
    finally:
        connection.close()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
