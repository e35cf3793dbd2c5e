"""The outbox: reports on disk until the cloud has them, first in first out within each kind."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_agent.store import Store
from edge_agent.timestamps import Clock

KEEP = 100_000
"""How many reports wait at most: months of them for a large site, whatever this machine's clock says meanwhile."""


class Kind(StrEnum):
    """What a report is; each kind has its own order and its own back-off."""

    RESULT = "result"
    EVENT = "event"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Report:
    """One report to deliver. `name` is unique within its kind: command id, event id, printer serial."""

    row: int
    kind: Kind
    name: str
    body: Mapping[str, Any]
    request_id: str


class Outbox:
    """Durable reports. Put and remove are atomic with whatever else stands in the same store transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def put(self, kind: Kind, name: str, body: Mapping[str, Any], request_id: str = "") -> bool:
        """Queue the report at the end; one of the same kind and name that still waits stays instead."""
        added = self._store.execute(
            "INSERT OR IGNORE INTO outbox (kind, name, body, request_id, created_at) VALUES (?, ?, ?, ?, ?)",
            (kind, name, json.dumps(body), request_id, self._clock.now().timestamp()),
        )
        return added == 1

    def replace(self, kind: Kind, name: str, body: Mapping[str, Any], request_id: str = "") -> None:
        """Queue the report; one of the same kind and name that still waits is forgotten."""
        with self._store.transaction():
            self._store.execute("DELETE FROM outbox WHERE kind = ? AND name = ?", (kind, name))
            self.put(kind, name, body, request_id)

    def first(self, kind: Kind, after: int = 0) -> Report | None:
        """The oldest waiting report of the kind, of those behind the row `after`."""
        row = self._store.row("SELECT * FROM outbox WHERE kind = ? AND id > ? ORDER BY id LIMIT 1", (kind, after))
        return _report(row) if row is not None else None

    def waiting(self, kind: Kind, limit: int) -> list[Report]:
        """The oldest waiting reports of the kind, the oldest first."""
        rows = self._store.rows("SELECT * FROM outbox WHERE kind = ? ORDER BY id LIMIT ?", (kind, limit))
        return [_report(row) for row in rows]

    def remove(self, report: Report) -> None:
        """The report is delivered, or cannot be; what replaced it meanwhile stays."""
        self._store.execute("DELETE FROM outbox WHERE id = ?", (report.row,))

    def prune(self) -> int:
        """Give up the oldest of too many reports; the number given up."""
        return self._store.execute("DELETE FROM outbox WHERE id <= (SELECT max(id) FROM outbox) - ?", (KEEP,))


def _report(row: sqlite3.Row) -> Report:
    return Report(row["id"], Kind(row["kind"]), row["name"], json.loads(row["body"]), row["request_id"])
