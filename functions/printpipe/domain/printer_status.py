"""What a printer's status says, whichever client reports it; its fields stay as they were reported.

Read are `state`, `gcodeState`, `printJobId`, `jobId`, `fileName`, the lists `hms`, `hmsErrors` and the numbers
`printError`, `errorCode`, also in snake_case.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

_SECRET_WORDS = ("accesscode", "passcode", "passwd", "password", "apikey", "secret", "token")
_URL_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_STATES = ("state", "gcodeState", "gcode_state")
_JOBS = ("printJobId", "print_job_id", "jobId", "job_id", "fileName", "file_name")
_FAULT_LISTS = ("hms", "hmsErrors", "hms_errors")
_ERRORS = ("printError", "print_error", "errorCode", "error_code")
_NO_ERROR = (None, 0, "", "0")

Activity = Literal["idle", "preparing", "printing", "paused", "completed", "failed", "offline", "unknown"]

_ACTIVITIES: Mapping[Activity, frozenset[str]] = {
    "idle": frozenset({"idle", "ready", "standby", "init"}),
    "preparing": frozenset({"preparing", "prepare", "slicing", "heating", "busy"}),
    "printing": frozenset({"printing", "running"}),
    "paused": frozenset({"paused", "pause", "pausing", "resuming", "attention"}),
    "completed": frozenset({"completed", "complete", "finish", "finished"}),
    "failed": frozenset({"failed", "error", "stopped", "cancelled", "canceled", "aborted"}),
    "offline": frozenset({"offline", "disconnected"}),
}
"""Words of Bambu's `gcode_state`, of PrusaLink's state and of our own clients, in lower case. BUSY is a printer that is
occupied without a job (homing, calibrating), ATTENTION one whose job waits for a person."""

_WORD_LENGTH = 100
_FAULT_LENGTH = 100
_FAULT_COUNT = 50


@dataclass(frozen=True)
class Gist:
    """As much of a status as tells whether another one differs, and whether that is worth keeping for good."""

    states: tuple[str, ...]
    job: tuple[str, ...]
    faults: frozenset[str]
    digest: str

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Self:
        """The gist of a status."""
        return cls(
            states=tuple(_words(status, _STATES)),
            job=tuple(_words(status, _JOBS)),
            faults=frozenset(_faults(status)),
            digest=hashlib.sha256(json.dumps(status, sort_keys=True, default=str).encode()).hexdigest(),
        )

    def turns(self, before: Self) -> bool:
        """Whether the printer went into another state, or its job ended, since the gist `before`."""
        return self.states != before.states or (before.job != () and self.job != before.job)


def without_secrets(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status without fields that are named like an access code or a password, and users in URLs, at any depth."""
    return {name: cleaned(value) for name, value in status.items() if not _is_secret(name)}


def without_url_users(text: str) -> str:
    """The text with what stands in its URLs before the host, a user and a password, taken out."""
    return _URL_USER.sub("", text)


def cleaned(value: Any) -> Any:
    """Any JSON without such fields and users."""
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, str):
        return without_url_users(value)
    return [cleaned(each) for each in value] if isinstance(value, list) else value


def activity(status: Mapping[str, Any]) -> Activity:
    """What the printer does: its `state`, else its `gcodeState`; `online` false goes before both.

    A word that nobody knows is passed over; "unknown" where none is left. Completed and failed are what a printer
    shows until its next job: it is idle then, but its plate may be full.
    """
    if status.get("online") is False:
        return "offline"
    for name in _STATES:
        word = status.get(name)
        if isinstance(word, str) and (meaning := meaning_of(word)):
            return meaning
    return "unknown"


def meaning_of(word: str) -> Activity | None:
    """What a word for a printer's state means; None for one that nobody knows."""
    shown = word.strip().lower()
    return next((meaning for meaning, words in _ACTIVITIES.items() if shown in words), None)


def _is_secret(name: str) -> bool:
    letters = "".join(filter(str.isalnum, name)).lower()
    return any(word in letters for word in _SECRET_WORDS)


def _words(status: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = status.get(name)
        if isinstance(value, str) and value:
            yield value if len(value) <= _WORD_LENGTH else hashlib.sha256(value.encode()).hexdigest()


def _faults(status: Mapping[str, Any]) -> list[str]:
    found = [_fault(each) for name in _FAULT_LISTS if isinstance(status.get(name), list) for each in status[name]]
    found += [f"error {status[name]}" for name in _ERRORS if name in status and status[name] not in _NO_ERROR]
    return sorted({each[:_FAULT_LENGTH] for each in found})[:_FAULT_COUNT]


def _fault(entry: Any) -> str:
    if isinstance(entry, Mapping):
        code = [str(entry[name]) for name in ("hmsCode", "attr", "code") if name in entry]
        return " ".join(code) or json.dumps(entry, sort_keys=True, default=str)
    return str(entry)
