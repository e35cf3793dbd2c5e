"""A request and its answer as every dialect and endpoint sees them, whatever serves them."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from printpipe.domain.errors import DomainError, InvalidInput, RateLimited, TooLarge, Unavailable
from printpipe.domain.values import OptionalId

_MAX_DEPTH = 32
_MAX_INTEGER = 2**63
_LONGEST_NAME = 1024


class Shape(BaseModel):
    """What a request must look like, in any dialect: a path's or query's parameters, or a body."""

    MAX_BYTES: ClassVar[int] = 1024 * 1024
    """Of a body as JSON."""

    MAX_VALUES: ClassVar[int] = 50_000
    """Of a body as JSON: its commas and opening brackets, wherever they stand; base64 has none of them."""

    def own_key(self) -> str | None:
        """What the body itself offers as an idempotency key."""
        return None

    def named_organization(self) -> str | None:
        """The organization that the caller says it acts for."""
        return None


class NamesOrganization(Shape):
    """What any request of a dialect of tokens may say: for which organization its caller acts."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True)

    organization_id: OptionalId = Field(
        None, alias="organizationId", description="needed where the token names no organization"
    )

    def named_organization(self) -> str | None:
        """The organization that the caller says it acts for."""
        return self.organization_id


class Reply(BaseModel):
    """What a successful answer looks like, in any dialect; sent as JSON."""

    STATUS: ClassVar[int] = 200
    MEDIA_TYPE: ClassVar[str] = "application/json"


_Model = TypeVar("_Model", bound=Shape)
_Steps = tuple[str | int, ...]

LONGEST_FIELD = 200
LONGEST_MESSAGE = 700
"""How much of a field's name and of an error's message is repeated, in characters: what a caller sends may be long."""


@dataclass(frozen=True)
class UploadedFile:
    """A file part of a form: the name and media type that the client gave, and its bytes, seekable."""

    name: str
    media_type: str
    content: BinaryIO


@dataclass(frozen=True)
class Form:
    """A multipart body."""

    fields: Mapping[str, str]
    files: Mapping[str, UploadedFile]


@dataclass(frozen=True)
class Request:
    """An HTTP request. Header names are in lower case."""

    method: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    read_body: Callable[[int], bytes]
    read_form: Callable[[], Form]

    @property
    def media_type(self) -> str:
        """The body's media type, without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def has_body(self) -> bool:
        """Whether anything comes with it."""
        return self.headers.get("content-length") not in (None, "0") or "transfer-encoding" in self.headers

    def json(self, model: type[_Model]) -> _Model:
        """The JSON body as a model. Raises `InvalidInput` that names the field."""
        if self.media_type != "application/json":
            raise InvalidInput("The body must be JSON, with Content-Type application/json", field="Content-Type")
        return validate_json(self.read_body(model.MAX_BYTES), model)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: a body to send as JSON, or a text of the class's media type."""

    STATUS: ClassVar[int] = 200
    MEDIA_TYPE: ClassVar[str] = "application/json"

    body: Mapping[str, Any] | str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page(Answer):
    """An answer for a browser: HTML."""

    MEDIA_TYPE: ClassVar[str] = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Picture(Answer):
    """A picture; `content` are its bytes."""

    MEDIA_TYPE: ClassVar[str] = "image/png"

    body: str = ""
    content: bytes = b""


@dataclass(frozen=True)
class Exposition(Answer):
    """Measurements in Prometheus' text format."""

    MEDIA_TYPE: ClassVar[str] = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Redirect(Answer):
    """The way to where the bytes are: `Location` among the headers."""

    STATUS: ClassVar[int] = 302
    MEDIA_TYPE: ClassVar[str] = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class EventStream(Answer):
    """Server-sent events, for as long as they last.

    `chunks` are texts as they are sent. An empty one sends nothing: whoever sends them sees then whether the other
    side is still there.
    """

    MEDIA_TYPE: ClassVar[str] = "text/event-stream"

    body: str = ""
    chunks: Iterable[str] = ()


class Socket(Protocol):
    """A WebSocket that was opened."""

    def send(self, text: str) -> None:
        """Sends a message. Raises `ConnectionError` where the other side is gone, or takes nothing for too long."""

    def receive(self, timeout: float) -> str | None:
        """The next message; None where none came in time. Raises `ConnectionError` where the other side is gone."""

    def close(self, code: int, reason: str) -> None:
        """Says goodbye (RFC 6455, 7.4); may be called twice."""


@dataclass(frozen=True)
class Upgrade(Answer):
    """The request becomes a WebSocket.

    `converse` serves it to its end.
    """

    STATUS: ClassVar[int] = 101

    body: str = ""
    converse: Callable[[Socket], None] = lambda _: None


@dataclass(frozen=True)
class Occasion:
    """When and as which request a call did not work; `traceback` only where the deployment shows its errors."""

    request_id: str
    at: datetime
    traceback: str | None = None


def validate_json(raw: bytes, model: type[_Model]) -> _Model:
    """JSON text as a model; numbers, text and depth that nothing behind us can hold are refused."""
    if len(raw) > model.MAX_BYTES:
        raise TooLarge(f"The JSON body is larger than {model.MAX_BYTES} bytes")
    if sum(raw.count(mark) for mark in (b",", b"[", b"{")) > model.MAX_VALUES:  # each becomes many times as large
        raise InvalidInput("The body holds too many values", field="body")
    try:
        parsed = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not valid JSON", field="body") from None
    if not isinstance(parsed, dict):
        raise InvalidInput("The body must be a JSON object", field="body")
    _check(parsed)
    try:
        validated = model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise _invalid(error, parsed) from None
    _check_integers(validated.model_dump(by_alias=True))
    return validated


def validate(values: Mapping[str, Any], model: type[_Model], *, strict: bool = True) -> _Model:
    """Values as a model. Raises `InvalidInput` that names the first wrong field."""
    try:
        return model.model_validate(values, strict=strict)
    except ValidationError as error:
        raise _invalid(error, values) from None


def headers_of(error: DomainError) -> dict[str, str]:
    """The headers of the answer to a call that did not work: when it is worth trying again."""
    return {"Retry-After": str(error.retry_after)} if isinstance(error, RateLimited | Unavailable) else {}


def in_utc(moment: datetime, precision: Literal["seconds", "milliseconds"]) -> str:
    """ISO 8601 with a `Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision)}Z"


DATE_TIME = WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization")
"""How the API's document describes such a time in an answer."""


def shortened(text: str, most: int = LONGEST_FIELD) -> str:
    """The text, or its first `most` characters, of which the last is an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def is_unicode(text: str) -> bool:
    """Whether it can be sent and stored: JSON can also tell halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(error: ValidationError, given: Any) -> InvalidInput:
    first = error.errors(include_url=False)[0]
    name = shortened(".".join(_named(first["loc"], given, missing=first["type"] == "missing")) or "body")
    return InvalidInput(f"{name}: {first['msg'].removeprefix('Value error, ')}", field=name)


def _named(location: Iterable[str | int], given: Any, *, missing: bool) -> Iterator[str]:
    """The steps of a location that the caller can see: not those that tell which type was tried."""
    for step in location:
        if isinstance(given, Mapping) and (step in given or missing):
            yield str(step)
            given = given.get(step)
        elif isinstance(given, list) and isinstance(step, int):
            yield str(step)
            given = given[step] if step < len(given) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: Any) -> None:
    for where, each in _walk(value):
        if len(where) > _MAX_DEPTH:
            raise _refusal(where, "nested too deeply")
        if isinstance(each, float) and not math.isfinite(each):
            raise _refusal(where, "must be a finite number")
        if isinstance(each, str) and not is_unicode(each):
            raise _refusal(where, "is not valid Unicode")
        if isinstance(each, dict):
            _check_names(each, where)


def _check_names(value: dict[str, Any], where: _Steps) -> None:
    for name in value:
        if len(name) > _LONGEST_NAME:
            raise _refusal((*where, name), f"a field's name may have at most {_LONGEST_NAME} characters")
        if not is_unicode(name):
            raise _refusal((*where, name), "is not valid Unicode")


def _check_integers(value: Any) -> None:
    """In what is used alone: an unknown field is ignored, whatever it holds."""
    for where, each in _walk(value):
        if isinstance(each, int) and not -_MAX_INTEGER <= each < _MAX_INTEGER:
            raise _refusal(where, "must fit into 64 bits")


def _walk(value: Any, where: _Steps = ()) -> Iterator[tuple[_Steps, Any]]:
    """The value and all that is within it, each with the steps that lead there.

    The steps are put together to a name for a refusal alone: names may be long, and values many.
    """
    yield where, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _walk(each, (*where, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _walk(each, (*where, index))


def _refusal(where: _Steps, why: str) -> InvalidInput:
    name = shortened(".".join(map(str, where)).encode(errors="replace").decode())
    return InvalidInput(f"{name}: {why}", field=name)
