"""Whether a print may lie on a printer's plate, from what the printer showed before and what it shows now.

Nothing here finds a plate empty: that is for a person to say, or for a machine that cleared it.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from printpipe.domain.printer_records import Printer, Sight
from printpipe.domain.printer_status import Activity, activity

SHORTEST_PRINT = timedelta(minutes=2)
"""No print, heating included, is shorter."""

_PRINTS: frozenset[Activity] = frozenset({"printing", "paused"})
_ENDS: frozenset[Activity] = frozenset({"completed", "failed"})
_BLIND: frozenset[Activity] = frozenset({"offline", "unknown"})
_JOB_IDS = ("printJobId", "print_job_id", "jobId", "job_id")
_FILE_NAMES = ("fileName", "file_name")
_WORD_LENGTH = 200
_SUFFIX = re.compile(r"(\.gcode)?(\.3mf)?$", re.IGNORECASE)


def sight(status: Mapping[str, Any], at: datetime) -> Sight:
    """What a status shows of the printer's work."""
    return Sight(activity=activity(status), job=_word(status, _JOB_IDS), file=_word(status, _FILE_NAMES), until=at)


def is_blind(seen: Sight) -> bool:
    """Whether it does not show what the printer does."""
    return seen.activity in _BLIND


def is_print(seen: Sight) -> bool:
    """Whether it shows a print under way."""
    return seen.activity in _PRINTS


def soils(seen: Sight, before: Sight | None, *, throughout: bool) -> bool:
    """Whether a print lies on the plate since `before`, or may do: one that ended may have been seen by nobody.

    `before` is the last sight that was not blind, None where there was none; `throughout`, no blind one came between.
    """
    if is_print(seen):
        return True
    if seen.activity not in _ENDS:
        return False
    if before is None or _is_another(seen, before):
        return True
    if throughout:
        return seen.activity != before.activity
    worked = before.activity in _PRINTS or before.activity == "preparing"
    return worked or seen.until - before.until >= SHORTEST_PRINT


def is_empty_at_registration(printer: Printer) -> bool:
    """Whether the plate of a printer that was not in use and is registered now is held to be empty.

    Of one that a person had switched off, what is known of its plate stays known. Of one that has only appeared by its
    reports, unless it shows a print.
    """
    if printer.updated_at is not None:
        return printer.plate_cleared
    state = printer.state
    if state is None:
        return True
    shown = sight(state.status, state.reported_at)
    seen = state.former if is_blind(shown) else shown
    return seen is None or not soils(seen, None, throughout=True)


def has_said_since(cleared_at: datetime | None, seen: Sight) -> bool:
    """Whether the plate was said to be empty just after that sight, which then says nothing against it.

    Only for as long as the shortest print takes: no print stays unseen because its reporter's clock is late.
    """
    return cleared_at is not None and timedelta(0) < cleared_at - seen.until < SHORTEST_PRINT


def _is_another(one: Sight, other: Sight) -> bool:
    """Whether two sights name different jobs, or else different files; a name that one of them lacks says nothing."""
    if one.job and other.job:
        return one.job != other.job
    return bool(one.file and other.file) and _stem(one.file) != _stem(other.file)


def _stem(name: str | None) -> str:
    """The name as it is left by printers, which drop folders and endings and replace spaces."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    return re.sub(r"\W+", "_", _SUFFIX.sub("", last)).casefold()


def _word(status: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    found = (value for name in names if isinstance(value := status.get(name), str) and value)
    word = next(found, None)
    return word if word is None or len(word) <= _WORD_LENGTH else hashlib.sha256(word.encode()).hexdigest()
