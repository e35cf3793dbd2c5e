"""The dialect of PrintPro3D's management API: bearer tokens, snake_case, `{"error": …}`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

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
from printpipe.domain.errors import DomainError, Unauthenticated
from printpipe.domain.lifecycles import CommandStatus, JobStatus

ERRORS: Mapping[str, tuple[int, str]] = {
    "invalid_input": (400, "Bad Request"),
    "unauthenticated": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "not_found": (404, "Not Found"),
    "method_not_allowed": (405, "Method Not Allowed"),
    "conflict": (409, "Conflict"),
    "printer_busy": (409, "Conflict"),
    "gone": (410, "Gone"),
    "too_large": (413, "Content Too Large"),
    "rate_limited": (429, "Too Many Requests"),
    "index_missing": (500, "Internal Server Error"),
    "printer_offline": (502, "Bad Gateway"),
    "download_failed": (502, "Bad Gateway"),
    "unavailable": (503, "Service Unavailable"),
}
"""The status of each kind of error, and its name."""

BROKEN = (500, "Internal Server Error")
"""Those of a mistake of ours."""

CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "bearerToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
"""What `credential` reads, as OpenAPI's security schemes."""

_BEARER = "bearer "

_JOB_WORDS: Mapping[JobStatus, str] = {status: status.value for status in JobStatus} | {JobStatus.HELD: "pending"}
JOB_STATUSES: Mapping[str, JobStatus] = {
    **{word: status for status, word in _JOB_WORDS.items()},
    "error": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
}
"""What this dialect's words for a job's state mean, with those that callers use besides."""

_FIELDS = {"commandType": "command_type", "expiresAt": "expires_at", "gcodeUrl": "gcode_url"}
"""What fields that the domain names are called here."""


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


class Failure(exchange.Reply):
    """The answer to a call that did not work; `error` names the field, where it is about one."""

    error: str
    traceback: str | None = Field(None, description="only where the deployment shows its errors")


def credential(request: Request) -> str | None:
    """The token, from `Authorization: Bearer …`.

    An API key is another dialect's credential: with or without a token beside it, it is `Unauthenticated` here.
    """
    if request.headers.get("x-api-key") or request.query.get("apiKey"):
        raise Unauthenticated("Use either an API key or a bearer token, on an endpoint that takes it")
    given = request.headers.get("authorization")
    if not given:
        return None
    if not given.lower().startswith(_BEARER):
        raise Unauthenticated("The Authorization header must be: Bearer <token>")
    return given[len(_BEARER) :].strip()


def failure(error: DomainError, occasion: Occasion) -> Answer:
    """The answer to a call that did not."""
    status, _ = ERRORS[error.code]
    field = _FIELDS.get(error.field or "", error.field)
    message = error.message.replace(error.field, field or "") if error.field else error.message
    if field and field not in message:
        message = f"{field}: {message}"
    return _failure(status, shortened(message, LONGEST_MESSAGE), occasion.traceback, headers_of(error))


def breakdown(occasion: Occasion) -> Answer:
    """The answer to a call that broke on a mistake of ours."""
    return _failure(BROKEN[0], f"Internal error (request {occasion.request_id})", occasion.traceback, {})


def command_status(status: CommandStatus) -> str:
    """A command's state in this dialect's words."""
    return status.value


def job_status(status: JobStatus) -> str:
    """A job's state in this dialect's words."""
    return _JOB_WORDS[status]


def timestamp(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    return in_utc(moment, "milliseconds")


Time = Annotated[
    datetime,
    PlainSerializer(timestamp, return_type=str),
    DATE_TIME,
]
"""A point in time in an answer."""


def _failure(status: int, message: str, traceback: str | None, headers: Mapping[str, str]) -> Answer:
    failure = Failure(error=message, traceback=traceback)
    return Answer(failure.model_dump(exclude_none=True), status, headers)
