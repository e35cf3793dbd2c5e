"""A request and its answer as every dialect and endpoint sees them, whatever serves them."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from printpipe.domain.errors import InvalidInput, TooLarge

_MAX_DEPTH = 32
_MAX_INTEGER = 2**63


class Shape(BaseModel):
    """What a request must look like, in any dialect: a path's or query's parameters, or a body."""

    MAX_BYTES: ClassVar[int] = 1024 * 1024
    """Of a body as JSON."""

    def own_key(self) -> str | None:
        """What the body itself offers as an idempotency key."""
        return None


class Reply(BaseModel):
    """What a successful answer looks like, in any dialect; sent as JSON."""

    STATUS: ClassVar[int] = 200


_Model = TypeVar("_Model", bound=Shape)


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

    def json(self, model: type[_Model]) -> _Model:
        """The JSON body as a model. Raises `InvalidInput` that names the field."""
        if self.media_type != "application/json":
            raise InvalidInput("The body must be JSON, with Content-Type application/json", field="Content-Type")
        return validate_json(self.read_body(model.MAX_BYTES), model)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: a body to send as JSON, or a text of the media type that `headers` name."""

    body: Mapping[str, Any] | str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def validate_json(raw: bytes, model: type[_Model]) -> _Model:
    """JSON text as a model; numbers, text and depth that nothing behind us can hold are refused."""
    if len(raw) > model.MAX_BYTES:
        raise TooLarge(f"The JSON body is larger than {model.MAX_BYTES} bytes")
    try:
        parsed = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not valid JSON", field="body") from None
    if not isinstance(parsed, dict):
        raise InvalidInput("The body must be a JSON object", field="body")
    _check(parsed, "", 0)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise _invalid(error) from None


def validate(values: Mapping[str, Any], model: type[_Model], *, strict: bool = True) -> _Model:
    """Values as a model. Raises `InvalidInput` that names the first wrong field."""
    try:
        return model.model_validate(values, strict=strict)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "body"
    return InvalidInput(f"{name}: {first['msg'].removeprefix('Value error, ')}", field=name)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: Any, where: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidInput(f"{where}: nested too deeply", field=where)
    if isinstance(value, dict):
        for key, each in value.items():
            _check(key, f"{where}.{key}".lstrip("."), depth)
            _check(each, f"{where}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _check(each, f"{where}.{index}".lstrip("."), depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{where}: must be a finite number", field=where)
    elif isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise InvalidInput(f"{where}: must fit into 64 bits", field=where)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            readable = where.encode(errors="replace").decode()
            raise InvalidInput(f"{readable}: is not valid Unicode", field=readable) from None
