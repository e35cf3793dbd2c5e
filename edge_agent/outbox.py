"""The outbox: reports on disk until the cloud has them, first in first out for each printer within each kind.

It has a limit of days and of bytes, pictures included. Results, events of jobs and of HMS, and each printer's latest
status are never given up. Of the rest the oldest goes first: pictures, then samples, then other events.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

from edge_agent.config import OutboxConfig
from edge_agent.logs import log
from edge_agent.store import Store, StoreUnwritable
from edge_agent.timestamps import Clock

ROW_BYTES = 200
"""What a report takes on disk besides what is in it."""
AT_ONCE = 50
REMEMBERED = 1000
"""Of how many delivered events it is known under which id the cloud has them: a picture may follow."""
KEPT_EVENTS = ("job_", "hms_", "first_layer")
"""How the types of events begin that are never given up."""
SAMPLE_STATUSES = frozenset({"info", "success"})
PICTURES = "pictures"


class Kind(StrEnum):
    """What a report is; each kind has its own order and its own back-off."""

    RESULT = "result"
    EVENT = "event"
    STATUS = "status"
    PICTURE = "picture"


class Rank(IntEnum):
    """What is given up first, from 1 on."""

    KEPT = 0
    PICTURE = 1
    SAMPLE = 2
    OTHER = 3


SPARE = (Rank.PICTURE, Rank.SAMPLE, Rank.OTHER)


@dataclass(frozen=True, slots=True)
class Report:
    """One report to deliver. `name` is unique within its kind: command id, event id, printer serial.

    `lane` is the printer whose reports of this kind go in order. A picture bears the name of its event.
    """

    row: int
    kind: Kind
    name: str
    lane: str
    body: Mapping[str, Any]
    request_id: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What waits: how many reports of each kind, how many bytes in all, since when."""

    waiting: Mapping[str, int]
    bytes: int
    oldest: datetime | None


class Outbox:
    """Durable reports. Put and remove are atomic with whatever else stands in the same store transaction."""

    def __init__(self, store: Store, clock: Clock, limits: OutboxConfig | None = None) -> None:
        """Pictures are files in the folder `pictures` beside the store's file."""
        self._store = store
        self._clock = clock
        self._limits = limits or OutboxConfig()
        self._given_up: Counter[str] = Counter()
        self._known_as: OrderedDict[str, str] = OrderedDict()
        row = store.row("SELECT max(ran) AS ran FROM outbox")
        ran = None if row is None else row["ran"]
        self._ran_before = float(ran or 0.0) - clock.monotonic()
        self._pictures = store.folder / PICTURES
        self._remove_strays()

    def put(self, kind: Kind, name: str, body: Mapping[str, Any], request_id: str = "") -> bool:
        """Queue the report at the end; one of the same kind and name that still waits stays instead."""
        return self._put(kind, name, body, request_id, 0)

    def replace(self, kind: Kind, name: str, body: Mapping[str, Any], request_id: str = "") -> None:
        """Queue the report; one of the same kind and name that still waits is forgotten.

        A status need not outlive the agent: it goes its way also where the disk takes no writes.
        """
        with contextlib.ExitStack() as stack:
            if kind is Kind.STATUS:
                stack.enter_context(self._store.bearing_loss())
            stack.enter_context(self._store.transaction())
            self._store.execute("DELETE FROM outbox WHERE kind = ? AND name = ?", (kind, name))
            self.put(kind, name, body, request_id)

    def put_picture(self, event_id: str, jpeg: bytes) -> None:
        """Queue the picture of an event, to be delivered after it. A picture that cannot be kept is logged."""
        path = self._picture(event_id)
        try:
            self._pictures.mkdir(exist_ok=True, mode=0o700)
            part = path.with_suffix(".part")
            part.write_bytes(jpeg)
            part.replace(path)
            with self._store.transaction():
                known_as = self._known_as.get(event_id)
                body = {} if known_as is None else {"eventId": known_as}
                self._put(Kind.PICTURE, event_id, body, "", len(jpeg))
        except (OSError, StoreUnwritable) as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            log("picture_not_kept", "WARNING", eventId=event_id, reason=str(error))

    def first(self, kind: Kind, after: int = 0, without: Collection[str] = ()) -> Report | None:
        """The oldest waiting report of the kind, of those behind the row `after` and not of these lanes."""
        row = self._store.row(
            "SELECT * FROM outbox WHERE kind = ? AND id > ? AND lane NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY id LIMIT 1",
            (kind, after, json.dumps(list(without))),
        )
        return _report(row) if row is not None else None

    def waiting(self, kind: Kind, limit: int) -> list[Report]:
        """The oldest waiting reports of the kind, the oldest first."""
        rows = self._store.rows("SELECT * FROM outbox WHERE kind = ? ORDER BY id LIMIT ?", (kind, limit))
        return [_report(row) for row in rows]

    def first_picture(self) -> tuple[Report, bytes] | None:
        """The oldest picture whose event is delivered; the report's body has the `eventId` of the cloud's."""
        while row := self._store.row(
            "SELECT * FROM outbox WHERE kind = ? AND body <> '{}' ORDER BY id LIMIT 1", (Kind.PICTURE,)
        ):
            report = _report(row)
            try:
                return report, self._picture(report.name).read_bytes()
            except OSError as error:
                log("picture_lost", "WARNING", eventId=report.name, reason=str(error))
                self.remove(report)
        return None

    def remove(self, report: Report) -> None:
        """The report is delivered, or cannot be; what replaced it meanwhile stays, an event's picture does not.

        Where the disk takes no writes, it may come again after a restart.
        """
        with self._store.bearing_loss(), self._store.transaction():
            self._remove(report.row, report.kind, report.name)
            if report.kind is Kind.EVENT:
                picture = self._store.row(
                    "SELECT id FROM outbox WHERE kind = ? AND name = ? AND body = '{}'", (Kind.PICTURE, report.name)
                )
                if picture is not None:
                    self._remove(picture["id"], Kind.PICTURE, report.name)

    def delivered(self, report: Report, known_as: str) -> None:
        """The cloud has the event, under an id of its own; now its picture may follow."""
        with self._store.bearing_loss(), self._store.transaction():
            self._known_as[report.name] = known_as
            if len(self._known_as) > REMEMBERED:
                self._known_as.popitem(last=False)
            self._store.execute(
                "UPDATE outbox SET body = ? WHERE kind = ? AND name = ?",
                (json.dumps({"eventId": known_as}), Kind.PICTURE, report.name),
            )
            self.remove(report)

    def prune(self) -> Mapping[str, int]:
        """Give up what may be and has waited for too long; how many of each kind were given up since the last call.

        The days are those that the agent has run: this machine's clock may be set.
        """
        before = self._ran() - self._limits.days * 86_400
        for rank in SPARE:
            while rows := self._store.rows(
                "SELECT id, kind, name FROM outbox WHERE rank > 0 AND rank = ? AND ran < ? LIMIT ?",
                (rank, before, AT_ONCE),
            ):
                with self._store.bearing_loss(), self._store.transaction():
                    for row in rows:
                        self._give_up(row)
        given_up = dict(self._given_up)
        self._given_up.clear()
        return given_up

    def summary(self) -> Summary:
        """What waits now."""
        rows = self._store.rows("SELECT kind, reports, bytes FROM outbox_totals")
        first = self._store.row("SELECT created_at FROM outbox ORDER BY id LIMIT 1")
        return Summary(
            waiting={row["kind"]: row["reports"] for row in rows},
            bytes=sum(row["bytes"] for row in rows),
            oldest=None if first is None else datetime.fromtimestamp(first["created_at"], UTC),
        )

    def _put(self, kind: Kind, name: str, body: Mapping[str, Any], request_id: str, beside: int) -> bool:
        text = json.dumps(body)
        size = len(text) + len(name) + len(request_id) + ROW_BYTES + beside
        with self._store.transaction():
            added = self._store.execute(
                "INSERT OR IGNORE INTO outbox (kind, name, body, request_id, created_at, lane, rank, size, ran)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    kind,
                    name,
                    text,
                    request_id,
                    self._clock.now().timestamp(),
                    str(body.get("printerSerial") or ""),
                    _rank(kind, body),
                    size,
                    self._ran(),
                ),
            )
            self._make_room()
        return added == 1

    def _make_room(self) -> None:
        """Give up what may be, until the limit is kept or nothing of that kind is left."""
        total = self._store.row("SELECT sum(bytes) AS bytes FROM outbox_totals")
        excess = (0 if total is None else int(total["bytes"])) - self._limits.size
        while excess > 0:
            rows = self._store.rows(
                "SELECT id, kind, name, size FROM outbox WHERE rank > 0 ORDER BY rank, ran LIMIT ?", (AT_ONCE,)
            )
            if not rows:
                return
            for row in rows:
                self._give_up(row)
                excess -= int(row["size"])
                if excess <= 0:
                    return

    def _give_up(self, row: sqlite3.Row) -> None:
        self._given_up[row["kind"]] += 1
        self._remove(row["id"], Kind(row["kind"]), row["name"])

    def _remove(self, row: int, kind: Kind, name: str) -> None:
        self._store.execute("DELETE FROM outbox WHERE id = ?", (row,))
        if kind is Kind.PICTURE:
            with contextlib.suppress(OSError):
                self._picture(name).unlink(missing_ok=True)

    def _picture(self, event_id: str) -> Path:
        return self._pictures / f"{hashlib.sha256(event_id.encode()).hexdigest()}.jpg"

    def _remove_strays(self) -> None:
        """Remove picture files that no report names."""
        rows = self._store.rows("SELECT name FROM outbox WHERE kind = ?", (Kind.PICTURE,))
        named = {self._picture(row["name"]).name for row in rows}
        with contextlib.suppress(OSError):
            for path in self._pictures.iterdir():
                if path.name not in named:
                    path.unlink()

    def _ran(self) -> float:
        """For how many seconds the agent has run while something waited, in this run and the ones before it."""
        return self._ran_before + self._clock.monotonic()


def _rank(kind: Kind, body: Mapping[str, Any]) -> Rank:
    if kind is Kind.PICTURE:
        return Rank.PICTURE
    if kind is not Kind.EVENT or str(body.get("eventType")).startswith(KEPT_EVENTS):
        return Rank.KEPT
    return Rank.SAMPLE if body.get("eventStatus") in SAMPLE_STATUSES else Rank.OTHER


def _report(row: sqlite3.Row) -> Report:
    return Report(row["id"], Kind(row["kind"]), row["name"], row["lane"], json.loads(row["body"]), row["request_id"])
