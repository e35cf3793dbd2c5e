"""The dialect of Printernizer's API: either credential, snake_case, errors with codes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainSerializer

from printpipe.dialects import exchange
from printpipe.dialects.exchange import (
    DATE_TIME,
    LONGEST_MESSAGE,
    Answer,
    NamesOrganization,
    Occasion,
    Request,
    Shape,
    headers_of,
    in_utc,
    shortened,
)
from printpipe.domain.errors import DomainError, PrinterOffline, Unauthenticated
from printpipe.domain.lifecycles import JobStatus

ERRORS: Mapping[str, tuple[int, str]] = {
    "invalid_input": (422, "VALIDATION_ERROR"),
    "unauthenticated": (401, "UNAUTHENTICATED"),
    "forbidden": (403, "FORBIDDEN"),
    "not_found": (404, "NOT_FOUND"),
    "method_not_allowed": (405, "METHOD_NOT_ALLOWED"),
    "conflict": (409, "CONFLICT"),
    "printer_busy": (409, "PRINTER_BUSY"),
    "gone": (410, "GONE"),
    "too_large": (413, "TOO_LARGE"),
    "rate_limited": (429, "RATE_LIMIT_EXCEEDED"),
    "index_missing": (500, "DATABASE_ERROR"),
    "printer_offline": (502, "PRINTER_OFFLINE"),
    "download_failed": (502, "DOWNLOAD_FAILED"),
    "unavailable": (503, "SERVICE_UNAVAILABLE"),
}
"""The status and the code of each kind of error."""

BROKEN = (500, "INTERNAL_ERROR")
"""Those of a mistake of ours."""

CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearerToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
"""What `credential` and `token` read, as OpenAPI's security schemes: one of them."""

_UNREADABLE = frozenset({"body", "Content-Type"})
"""What an error is about that concerns no single field: 400, where a field's is 422."""

_FIELDS: Mapping[str, str] = {"serial": "serial_number", "fileId": "file_id"}
"""What fields that the domain names are called here."""

_MISSING: Mapping[str, str] = {
    "file_id": "FILE_NOT_FOUND",
    "printer_id": "PRINTER_NOT_FOUND",
    "id": "JOB_NOT_FOUND",
    "job_id": "JOB_NOT_FOUND",
}
"""The code for what is not there, by the field that names it."""

PRINTER_FIELDS = frozenset({"type", "ip_address", "access_code", "serial_number"})
"""Fields whose errors are those of a printer's configuration."""

_BEARER = "bearer "

Word = Literal["queued", "printing", "completed", "failed", "cancelled"]
"""What this dialect calls a job's state."""

_JOB_WORDS: Mapping[JobStatus, Word] = {
    JobStatus.HELD: "queued",
    JobStatus.QUEUED: "queued",
    JobStatus.CLAIMED: "queued",
    JobStatus.PREPARING: "printing",
    JobStatus.PRINTING: "printing",
    JobStatus.PAUSED: "printing",
    JobStatus.UNKNOWN: "printing",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}

JOB_STATUSES: Mapping[Word, tuple[JobStatus, ...]] = {
    word: tuple(status for status, named in _JOB_WORDS.items() if named == word) for word in _JOB_WORDS.values()
}
"""The states that each of those words covers."""


class Model(NamesOrganization):
    """A request in this dialect: a body or a query; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, validate_by_name=True)


class Path(Shape):
    """A path's parameters in this dialect."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(exchange.Reply):
    """A part of an answer in this dialect."""

    model_config = ConfigDict(validate_by_name=True, frozen=True, json_schema_serialization_defaults_required=True)


class Reply(Part):
    """The answer to a call that worked."""


class Trouble(Part):
    """What went wrong; `details` name the field, or the printer and when it was heard last."""

    code: str
    message: str
    details: dict[str, Any]
    timestamp: str = Field(json_schema_extra={"format": "date-time"})
    request_id: str


class Failure(exchange.Reply):
    """The answer to a call that did not work."""

    error: Trouble
    traceback: str | None = Field(None, description="only where the deployment shows its errors")


def credential(request: Request) -> str | None:
    """The API key, from `X-API-Key`."""
    return request.headers.get("x-api-key") or None


def token(request: Request) -> str | None:
    """The bearer token, from `Authorization: Bearer …`. With an API key beside it, it is `Unauthenticated`."""
    given = request.headers.get("authorization")
    if not given:
        return None
    if request.headers.get("x-api-key"):
        raise Unauthenticated("Use either an API key or a bearer token")
    if not given.lower().startswith(_BEARER):
        raise Unauthenticated("The Authorization header must be: Bearer <token>")
    return given[len(_BEARER) :].strip()


def failure(error: DomainError, occasion: Occasion) -> Answer:
    """The answer to a call that did not."""
    status, code = ERRORS[error.code]
    field = _FIELDS.get(error.field or "", error.field)
    details: dict[str, Any] = {"field": shortened(field)} if field else {}
    if error.code == "invalid_input" and field in (None, *_UNREADABLE):
        status = 400
    elif error.code == "invalid_input" and field in PRINTER_FIELDS:
        code = "INVALID_PRINTER_CONFIG"
    elif error.code == "not_found":
        code = _MISSING.get(field or "", code)
    if isinstance(error, PrinterOffline):
        last_seen = timestamp(error.last_seen) if error.last_seen else None
        details = {"printer_id": error.printer_id, "last_seen": last_seen, "connection_attempts": None}
    if error.detail:
        details["detail"] = shortened(error.detail)
    return _failure(status, code, shortened(error.message, LONGEST_MESSAGE), details, occasion, headers_of(error))


def breakdown(occasion: Occasion) -> Answer:
    """The answer to a call that broke on a mistake of ours."""
    return _failure(*BROKEN, "Internal error", {}, occasion, {})


def job_status(status: JobStatus) -> Word:
    """A job's state in this dialect's words."""
    return _JOB_WORDS[status]


def timestamp(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`."""
    return in_utc(moment, "seconds")


Time = Annotated[
    datetime,
    PlainSerializer(timestamp, return_type=str),
    DATE_TIME,
]
"""A point in time in an answer."""


def _failure(
    status: int, code: str, message: str, details: dict[str, Any], occasion: Occasion, headers: Mapping[str, str]
) -> Answer:
    trouble = Trouble(
        code=code,
        message=message,
        details=details,
        timestamp=timestamp(occasion.at),
        request_id=occasion.request_id,
    )
    failure = Failure(error=trouble, traceback=occasion.traceback)
    return Answer(failure.model_dump(exclude={"traceback"} if occasion.traceback is None else None), status, headers)
