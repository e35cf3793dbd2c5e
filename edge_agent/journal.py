"""The journal: what the agent knows about every command it ever accepted, on disk before anything happens."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from edge_agent.command import Command, Outcome, Status
from edge_agent.store import Store
from edge_agent.timestamps import Clock

KEEP = 20_000
"""How many commands are remembered after their end: more than come in the time in which a message can come again."""
KEEP_RESULTS = 200
"""How many commands, the newest, are remembered with their results, which can be long lists."""
RESULTS_AT_ONCE = 100
"""How many commands behind these are looked at with each result; the pruning looks at all."""


class Stage(StrEnum):
    """How far a command is, in this order."""

    RECEIVED = "received"
    CLAIMED = "claimed"
    INTENT = "intent"
    """the intent is on disk; nothing was published"""
    PUBLISHING = "publishing"
    """about to publish, or published: after a crash only the printer can tell"""
    PUBLISHED = "published"
    """the printer's broker has it"""
    FINISHED = "finished"
    DROPPED = "dropped"
    """not ours to run; no result is due"""


AFTER_PUBLISH = frozenset({Stage.PUBLISHING, Stage.PUBLISHED})


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in the journal. `detail` is the result's message, or why it was dropped; `result` goes with it."""

    command: Command
    stage: Stage
    fence: int | None
    progress: Mapping[str, str]
    status: Status | None
    detail: str | None
    result: Mapping[str, Any] | None

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, when it has."""
        return None if self.status is None else Outcome(self.status, self.detail or "", self.result)


class Journal:
    """Commands by id; every method is durable when it returns."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        with store.bearing_loss():
            store.execute("INSERT OR IGNORE INTO meta VALUES ('agent_id', ?)", (str(uuid.uuid4()),))
        row = store.row("SELECT value FROM meta WHERE name = 'agent_id'")
        self.agent_id: str = "" if row is None else str(row["value"])

    def record(self, command: Command) -> tuple[Entry, bool]:
        """The entry of this command's id, and whether it was written now."""
        body = command.model_dump_json(by_alias=True)
        with self._store.transaction():
            new = self._store.execute(
                "INSERT OR IGNORE INTO commands (command_id, body, stage, updated_at) VALUES (?, ?, ?, ?)",
                (command.command_id, body, Stage.RECEIVED, self._time()),
            )
            entry = self.entry(command.command_id)
        if entry is None:
            raise LookupError(command.command_id)
        return entry, new == 1

    def entry(self, command_id: str) -> Entry | None:
        """What is known about the command."""
        row = self._store.row("SELECT * FROM commands WHERE command_id = ?", (command_id,))
        if row is None:
            return None
        return Entry(
            command=Command.model_validate_json(row["body"]),
            stage=Stage(row["stage"]),
            fence=row["fence"],
            progress=MappingProxyType(json.loads(row["progress"])),
            status=None if row["status"] is None else Status(row["status"]),
            detail=row["detail"],
            result=None if row["result"] is None else json.loads(row["result"]),
        )

    def traceparent(self, command_id: str) -> str:
        """The trace context of the command's receipt; empty where there is none, or the command is not known."""
        row = self._store.row(
            "SELECT json_extract(body, '$.traceparent') AS found FROM commands WHERE command_id = ?", (command_id,)
        )
        return "" if row is None else str(row["found"] or "")

    def unfinished(self) -> list[Entry]:
        """The commands that a crash or a stop of the agent left behind, oldest first."""
        rows = self._store.rows(
            "SELECT command_id FROM commands WHERE stage NOT IN (?, ?) ORDER BY rowid", (Stage.FINISHED, Stage.DROPPED)
        )
        entries = (self.entry(row["command_id"]) for row in rows)
        return [entry for entry in entries if entry is not None]

    def advance(self, command_id: str, stage: Stage) -> None:
        """Note how far the command is now."""
        self._store.execute(
            "UPDATE commands SET stage = ?, updated_at = ? WHERE command_id = ?", (stage, self._time(), command_id)
        )

    def fence(self, command_id: str, fence: int | None) -> None:
        """Note the fence of the claim now held."""
        self._store.execute("UPDATE commands SET fence = ? WHERE command_id = ?", (fence, command_id))

    def note(self, command_id: str, progress: Mapping[str, str]) -> None:
        """Replace what the driver noted about its progress."""
        self._store.execute(
            "UPDATE commands SET progress = ? WHERE command_id = ?", (json.dumps(dict(progress)), command_id)
        )

    def finish(self, command_id: str, outcome: Outcome) -> None:
        """The command has ended; the outcome is kept for every repetition of it."""
        result = None if outcome.result is None else json.dumps(dict(outcome.result))
        self._store.execute(
            "UPDATE commands SET stage = ?, status = ?, detail = ?, result = ?, updated_at = ? WHERE command_id = ?",
            (Stage.FINISHED, outcome.status, outcome.message, result, self._time(), command_id),
        )
        if result is not None:
            self._forget_results(KEEP_RESULTS + RESULTS_AT_ONCE)

    def drop(self, command_id: str, detail: str) -> None:
        """The command is not ours to run."""
        self._store.execute(
            "UPDATE commands SET stage = ?, detail = ?, updated_at = ? WHERE command_id = ?",
            (Stage.DROPPED, detail, self._time(), command_id),
        )

    def mark_executed(self, printer: str, group: str, command: Command) -> None:
        """Remember the newest command executed in this group."""
        self._store.execute(
            "INSERT INTO executed VALUES (?, ?, ?, ?) ON CONFLICT (printer, grp) DO UPDATE"
            " SET sequence = excluded.sequence, command_id = excluded.command_id"
            " WHERE excluded.sequence > executed.sequence",
            (printer, group, command.order, command.command_id),
        )

    def executed_after(self, printer: str, group: str, command: Command) -> bool:
        """Whether a newer command of this group has been executed on the printer."""
        row = self._store.row("SELECT sequence FROM executed WHERE printer = ? AND grp = ?", (printer, group))
        return row is not None and int(row["sequence"]) > command.order

    def prune(self) -> None:
        """Forget what ended long ago."""
        self._store.execute(
            "DELETE FROM commands WHERE stage IN (?, ?) AND rowid <= (SELECT max(rowid) FROM commands) - ?",
            (Stage.FINISHED, Stage.DROPPED, KEEP),
        )
        self._forget_results(KEEP + RESULTS_AT_ONCE)

    def _forget_results(self, back: int) -> None:
        """Forget the older results, of the newest so many commands: between two prunings come many."""
        self._store.execute(
            "UPDATE commands SET result = NULL WHERE result IS NOT NULL"
            " AND rowid <= (SELECT max(rowid) FROM commands) - ? AND rowid > (SELECT max(rowid) FROM commands) - ?",
            (KEEP_RESULTS, back),
        )

    def _time(self) -> float:
        return self._clock.now().timestamp()
