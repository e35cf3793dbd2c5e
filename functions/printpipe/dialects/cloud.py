"""The dialect of the Cloud Printer backend: API keys, camelCase, `{"ok": …}`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from printpipe.dialects import exchange
from printpipe.dialects.exchange import Answer, Request, Shape
from printpipe.domain.errors import DomainError, RateLimited, Unauthenticated, Unavailable
from printpipe.domain.lifecycles import CommandStatus

_ERRORS: Mapping[str, tuple[int, str]] = {
    "invalid_input": (400, "ValidationError"),
    "unauthenticated": (401, "AuthError"),
    "forbidden": (403, "Forbidden"),
    "not_found": (404, "NotFoundError"),
    "method_not_allowed": (405, "ValidationError"),
    "conflict": (409, "ConflictError"),
    "gone": (410, "GoneError"),
    "too_large": (413, "ValidationError"),
    "rate_limited": (429, "RateLimitError"),
    "unavailable": (503, "UnavailableError"),
}

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

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True)


class Reply(Part):
    """The answer to a call that worked."""

    ok: Literal[True] = True


def credential(request: Request) -> str | None:
    """The API key, from `X-API-Key` or `?apiKey=`.

    A JWT is another dialect's credential: with or without a key beside it, it is `Unauthenticated` here.
    """
    if request.headers.get("authorization"):
        raise Unauthenticated("Use either an API key or a bearer token, on an endpoint that takes it")
    return request.headers.get("x-api-key") or request.query.get("apiKey") or None


def failure(error: DomainError, *, traceback: str | None = None) -> Answer:
    """The answer to a call that did not."""
    status, kind = _ERRORS[error.code]
    return _failure(status, kind, error.message, error.detail or error.field or "", traceback, _headers(error))


def breakdown(request_id: str, *, traceback: str | None = None) -> Answer:
    """The answer to a call that broke on a mistake of ours."""
    return _failure(500, "InternalError", "Internal error", f"request {request_id}", traceback, {})


def _headers(error: DomainError) -> dict[str, str]:
    if isinstance(error, RateLimited | Unavailable):
        return {"Retry-After": str(error.retry_after)}
    return {}


def command_status(status: CommandStatus) -> str:
    """A command's state in this dialect's words."""
    return _COMMAND_WORDS[status]


def timestamp(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, PlainSerializer(timestamp, return_type=str)]
"""A point in time in an answer."""


def _failure(
    status: int, kind: str, message: str, detail: str, traceback: str | None, extra: Mapping[str, str]
) -> Answer:
    body = {"ok": False, "error_type": kind, "message": message, "detail": detail}
    if traceback is not None:
        body["traceback"] = traceback
    return Answer(body, status, extra)
