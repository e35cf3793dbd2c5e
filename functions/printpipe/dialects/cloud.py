"""The dialect of the Cloud Printer backend: API keys, camelCase, `{"ok": …}`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from printpipe.dialects import exchange
from printpipe.dialects.exchange import (
    DATE_TIME,
    LONGEST_MESSAGE,
    Answer,
    Occasion,
    Request,
    Shape,
    headers_of,
    in_utc,
    shortened,
)
from printpipe.domain.errors import DomainError, IndexMissing, Unauthenticated
from printpipe.domain.lifecycles import CommandStatus

ERRORS: Mapping[str, tuple[int, str]] = {
    "invalid_input": (400, "ValidationError"),
    "unauthenticated": (401, "AuthError"),
    "forbidden": (403, "Forbidden"),
    "not_found": (404, "NotFoundError"),
    "method_not_allowed": (405, "ValidationError"),
    "conflict": (409, "ConflictError"),
    "printer_busy": (409, "ConflictError"),
    "gone": (410, "GoneError"),
    "too_large": (413, "ValidationError"),
    "rate_limited": (429, "RateLimitError"),
    "index_missing": (500, "FirestoreQueryError"),
    "printer_offline": (502, "UnavailableError"),
    "download_failed": (502, "UnavailableError"),
    "unavailable": (503, "UnavailableError"),
}
"""The status and `error_type` of each kind of error."""

BROKEN = (500, "InternalError")
"""Those of a mistake of ours."""

CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "apiKeyInQuery": {"type": "apiKey", "in": "query", "name": "apiKey"},
}
"""What `credential` reads, as OpenAPI's security schemes: any one of them will do."""

_COMMAND_WORDS: Mapping[CommandStatus, str] = {
    CommandStatus.PENDING: "pending",
    CommandStatus.PROCESSING: "processing",
    CommandStatus.COMPLETED: "completed",
    CommandStatus.FAILED: "failed",
    CommandStatus.EXPIRED: "failed",
    CommandStatus.CANCELLED: "failed",
    CommandStatus.UNKNOWN: "processing",
}


class Model(Shape):
    """A request in this dialect: camelCase; unknown fields are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore", allow_inf_nan=False)


class Part(exchange.Reply):
    """A part of an answer in this dialect."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, frozen=True, json_schema_serialization_defaults_required=True
    )


class Reply(Part):
    """The answer to a call that worked."""

    ok: Literal[True] = True


class Failure(exchange.Reply):
    """The answer to a call that did not work; `detail` names the field, or says more."""

    ok: Literal[False] = False
    error_type: str
    message: str
    detail: str
    index_url: str | None = Field(
        None, serialization_alias="indexUrl", description="where to create the index that the store misses"
    )
    traceback: str | None = Field(None, description="only where the deployment shows its errors")


def credential(request: Request) -> str | None:
    """The API key, from `X-API-Key` or `?apiKey=`.

    A JWT is another dialect's credential: with or without a key beside it, it is `Unauthenticated` here.
    """
    if request.headers.get("authorization"):
        raise Unauthenticated("Use either an API key or a bearer token, on an endpoint that takes it")
    return request.headers.get("x-api-key") or request.query.get("apiKey") or None


def failure(error: DomainError, occasion: Occasion) -> Answer:
    """The answer to a call that did not."""
    status, kind = ERRORS[error.code]
    detail = shortened(error.detail or error.field or "")
    url = error.url if isinstance(error, IndexMissing) else None
    return _failure(
        status, kind, shortened(error.message, LONGEST_MESSAGE), detail, occasion.traceback, headers_of(error), url
    )


def breakdown(occasion: Occasion) -> Answer:
    """The answer to a call that broke on a mistake of ours."""
    return _failure(*BROKEN, "Internal error", f"request {occasion.request_id}", occasion.traceback, {})


def command_status(status: CommandStatus) -> str:
    """A command's state in this dialect's words."""
    return _COMMAND_WORDS[status]


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
    status: int,
    kind: str,
    message: str,
    detail: str,
    traceback: str | None,
    extra: Mapping[str, str],
    index_url: str | None = None,
) -> Answer:
    failure = Failure(error_type=kind, message=message, detail=detail, index_url=index_url, traceback=traceback)
    return Answer(failure.model_dump(by_alias=True, exclude_none=True), status, extra)
