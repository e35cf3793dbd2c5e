"""Incidents: what a printer's reports of one error, and of its end, come to, in whichever order they arrive.

Each report is a mark, and an incident keeps the newest of its marks: what it says of itself follows from their order in
time alone. An error that comes back soon after its end is the same incident; later, it is the next episode of it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from printpipe.domain.records import Record, Stored

DEBOUNCE = timedelta(minutes=10)
"""An error that comes back within this time after its end is the same incident again."""

SILENCE = timedelta(hours=6)
"""An error that is reported again after so long is another episode though nobody told of the end of the former."""

TOGETHER = timedelta(seconds=60)
"""A print error and an HMS entry of the same origin that are seen within this time are one trouble."""

MOST_MARKS = 50
"""Marks that an incident keeps; what came before them is kept as a sum."""

Kind = Literal["hms", "print_error"]
Status = Literal["open", "resolved", "joined", "void"]
ENDANGERS: frozenset[str] = frozenset({"fatal", "critical"})
"""The severities of errors at which a print is paused, where the printer's owner chose that."""


class Mark(Record):
    """One report of the error, or of its end; `event_id` is the printer event's."""

    kind: Literal["error", "cleared"]
    at: datetime
    event_id: str
    job_id: str | None = None

    @property
    def place(self) -> tuple[datetime, bool, str]:
        """By which marks are put in order; of one moment's, an end comes after an error."""
        return self.at, self.kind == "cleared", self.event_id


class Course(Record):
    """What marks in their order come to; `until` is the time of the last one that is in it."""

    count: int = 0
    reopened: int = 0
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    cleared_at: datetime | None = None
    job_id: str | None = None
    last_event_id: str | None = None
    until: datetime | None = None

    def with_mark(self, mark: Mark) -> Self:
        """With the next one."""
        changes: dict[str, Any] = {"last_event_id": mark.event_id, "until": mark.at}
        if mark.kind == "error":
            changes |= {
                "count": self.count + 1,
                "reopened": self.reopened + (self.cleared_at is not None),
                "first_seen_at": self.first_seen_at or mark.at,
                "last_seen_at": mark.at,
                "cleared_at": None,
                "job_id": mark.job_id or self.job_id,
            }
        elif self.count and self.cleared_at is None:
            changes["cleared_at"] = mark.at
        return self.model_copy(update=changes)

    def is_over(self, at: datetime) -> bool:
        """Whether an error that is seen then belongs to another episode."""
        if self.last_seen_at is None:
            return False
        if self.cleared_at is not None:
            return at - self.cleared_at > DEBOUNCE
        return at - self.last_seen_at > SILENCE


@dataclass
class Episode:
    """Marks that belong together: what came before those that are kept, these, and what all come to."""

    folded: Course
    marks: list[Mark] = field(default_factory=list)
    course: Course = field(default_factory=Course)


def episodes(folded: Course, marks: Iterable[Mark]) -> Sequence[Episode]:
    """The episodes that marks in any order make, the first of which goes on from `folded`; each is cut to its newest.

    An error's end that is told before any error begins an episode in which nothing has happened yet.
    """
    found = [Episode(folded, course=folded)]
    for mark in sorted(marks, key=lambda each: each.place):
        last = found[-1]
        if mark.kind == "error" and last.course.is_over(mark.at):
            if last.course.cleared_at is None:
                last.course = last.course.model_copy(update={"cleared_at": last.course.last_seen_at})
            found.append(last := Episode(Course()))
        last.marks.append(mark)
        last.course = last.course.with_mark(mark)
    for episode in found:
        for mark in episode.marks[:-MOST_MARKS]:
            episode.folded = episode.folded.with_mark(mark)
        episode.marks = episode.marks[-MOST_MARKS:]
    return found


class Partner(Record):
    """Another incident that is the same trouble: its code, and when that was over by itself."""

    code: str
    cleared_at: datetime | None = None


class Incident(Stored):
    """`incidents/{incidentId}`: one episode of one error at one printer.

    `code` is `XXXX_YYYY_ZZZZ_WWWW`, or `XXXX_YYYY` for a print error; `print_error` is the print error that came with
    it. `status`: `open`; `resolved` at `resolved_at`; `joined`, a print error that an incident of the HMS entry tells
    of; `void`, where only an end was told so far. `count` errors were reported, `reopened` times after an end.
    `series` is the printer and the code, `number` the episode; `group` the printer and the code's origin. `cleared_at`
    is when the error itself was over, `related` are the incidents that are the same trouble, by id. `action` is what
    was done by itself.
    """

    incident_id: str
    organization_id: str
    recipient_id: str
    printer_id: str | None = None
    printer_serial: str | None = None
    printer_ip_address: str | None = None
    series: str
    group: str
    kind: Kind
    number: int
    code: str
    print_error: str | None = None
    severity: str
    module: str
    description: str
    advice: str | None = None
    status: Status = "void"
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    resolved_at: datetime | None = None
    cleared_at: datetime | None = None
    count: int = 0
    reopened: int = 0
    job_id: str | None = None
    action: Literal["paused"] | None = None
    last_event_id: str | None = None
    folded: Course | None = None
    marks: tuple[Mark, ...] = ()
    related: Mapping[str, Partner] = {}
    created_at: datetime
    updated_at: datetime

    def following(self, episode: Episode) -> Self:
        """The incident as an episode has it."""
        course = episode.course
        told: dict[str, Any] = {name: getattr(course, name) for name in _OF_COURSE}
        folded = episode.folded if episode.folded.until is not None else None
        return self._settled({**told, "folded": folded, "marks": tuple(episode.marks)})

    def joined_with(self, other: "Incident") -> Self:
        """The incident with another one that is the same trouble."""
        partner = Partner(code=other.code, cleared_at=other.cleared_at)
        return self._settled({"related": {**self.related, other.incident_id: partner}})

    def without(self, gone: Iterable[str]) -> Self:
        """The incident without partners that are no more."""
        kept = {name: each for name, each in self.related.items() if name not in set(gone)}
        return self if len(kept) == len(self.related) else self._settled({"related": kept})

    def inheriting(self, gone: "Incident") -> Self:
        """The incident with what was done about one that turned out to be part of it."""
        return self.model_copy(update={"action": self.action or gone.action})

    @property
    def has_begun(self) -> bool:
        """Whether the error was reported."""
        return self.count > 0

    @property
    def has_ended(self) -> bool:
        """Whether the error was over at some time, though it may have come back."""
        return self.cleared_at is not None or self.reopened > 0

    def is_with(self, other: "Incident") -> bool:
        """Whether both are the same trouble: one is an HMS entry, one a print error, of one origin, seen together."""
        if {self.kind, other.kind} != {"hms", "print_error"} or self.group != other.group:
            return False
        known = self.incident_id in other.related or other.incident_id in self.related
        if known and (self.folded is not None or other.folded is not None):
            return True  # the reports that told so may be among those that are kept as a sum
        seen, theirs = self._seen(), other._seen()
        return any(abs(one - two) <= TOGETHER for one in seen for two in theirs)

    def forgets(self, mark: Mark) -> bool:
        """Whether a mark is older than what the incident can still tell the place of."""
        if self.folded is not None and self.folded.until is not None:
            return mark.at <= self.folded.until
        return self.number > 1 and bool(self.marks) and mark.at < self.marks[0].at

    def _seen(self) -> Sequence[datetime]:
        return [mark.at for mark in self.marks if mark.kind == "error"]

    def _settled(self, changes: Mapping[str, Any]) -> Self:
        """With these changes, and what follows from them."""
        changed = self.model_copy(update=dict(changes))
        ends = [changed.cleared_at, *(each.cleared_at for each in changed.related.values())]
        over = [each for each in ends if each is not None]
        status: Status = "resolved" if len(over) == len(ends) else "open"
        if changed.count == 0:
            status = "void"
        elif changed.kind == "print_error" and changed.related:
            status = "joined"
        told = changed.code if changed.kind == "print_error" else None
        return changed.model_copy(
            update={
                "status": status,
                "resolved_at": max(over) if status == "resolved" else None,
                "print_error": told or min((each.code for each in changed.related.values()), default=None),
            }
        )


_OF_COURSE = ("count", "reopened", "first_seen_at", "last_seen_at", "cleared_at", "job_id", "last_event_id")


def digest(*named: object) -> str:
    """A name for what is told by several."""
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]
