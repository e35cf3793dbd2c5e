"""What a printer's status says, whichever client reports it; its fields stay as they were reported.

Read are `state`, `gcodeState`, `printJobId`, `jobId`, `fileName`, the lists `hms`, `hmsErrors` and the numbers
`printError`, `errorCode`, also in snake_case.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

_SECRET_WORDS = ("accesscode", "passcode", "passwd", "password", "apikey", "secret")
_STATES = ("state", "gcodeState", "gcode_state")
_JOBS = ("printJobId", "print_job_id", "jobId", "job_id", "fileName", "file_name")
_FAULT_LISTS = ("hms", "hmsErrors", "hms_errors")
_ERRORS = ("printError", "print_error", "errorCode", "error_code")
_NO_ERROR = (None, 0, "", "0")
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
    """The status without fields that are named like an access code or a password, at any depth."""
    return {name: cleaned(value) for name, value in status.items() if not _is_secret(name)}


def cleaned(value: Any) -> Any:
    """Any JSON without such fields."""
    if isinstance(value, Mapping):
        return without_secrets(value)
    return [cleaned(each) for each in value] if isinstance(value, list) else value


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
