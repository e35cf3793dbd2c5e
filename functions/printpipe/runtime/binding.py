"""From an endpoint's signature to what it is called with: the models that it names are read from the request."""

import hashlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from printpipe.dialects.exchange import Answer, Form, Reply, Request, Shape, UploadedFile, validate
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ids import Once
from printpipe.runtime.catalog import Face, Row

IDEMPOTENCY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_FORM = "multipart/form-data"


@dataclass(frozen=True)
class Operation:
    """One method of an endpoint: what it reads and what it may answer.

    `parts` are a form's file parts by name, and whether each must be there.
    """

    handle: Callable[..., Reply | Answer]
    route: str
    path: type[Shape] | None
    query: type[Shape] | None
    body: type[Shape] | None
    body_required: bool
    parts: Mapping[str, bool]
    repeatable: bool
    replies: tuple[type[Reply] | type[Answer], ...]

    def read(self, request: Request) -> dict[str, Any]:
        """What the endpoint asks for, by its parameters' names. Raises `InvalidInput` that names the field."""
        given: dict[str, Any] = {}
        if self.path:
            given["path"] = validate(request.params, self.path, strict=False)
        if self.query:
            given["query"] = validate(request.query, self.query, strict=False)
        form = self._form(request)
        if self.body:
            given["body"] = self._body(request, form)
        for name, required in self.parts.items():
            given[name] = form.files.get(name) if form else None
            if given[name] is None and required:
                raise InvalidInput(f"Send {name} as a part of a form", field=name)
        if self.repeatable:
            given["once"] = self._once(request, given)
        return given

    @property
    def takes_json(self) -> bool:
        """Whether the body may come as JSON."""
        return self.body is not None and not any(self.parts.values())

    def _form(self, request: Request) -> Form | None:
        if not self.parts:
            return None
        if request.media_type == _FORM:
            return request.read_form()
        if not self.takes_json:
            raise InvalidInput(f"The body must be a form, with Content-Type {_FORM}", field="Content-Type")
        return None

    def _body(self, request: Request, form: Form | None) -> Shape | None:
        assert self.body is not None
        if form is not None:
            return validate(form.fields, self.body, strict=False)
        if not self.body_required and not request.has_body:
            return None
        return request.json(self.body)

    def _once(self, request: Request, given: Mapping[str, Any]) -> Once:
        key = request.headers.get(IDEMPOTENCY_HEADER.lower())
        if key is not None and not _KEY.fullmatch(key):
            message = f"{IDEMPOTENCY_HEADER} must be 1 to 255 printable ASCII characters"
            raise InvalidInput(message, field=IDEMPOTENCY_HEADER)
        models = [each for each in given.values() if isinstance(each, Shape)]
        asked = "\n".join(each.model_dump_json(by_alias=True, exclude_unset=True) for each in models)
        own = next((found for each in models if (found := each.own_key())), None)
        return Once(self.route, key or own, hashlib.sha256(asked.encode()).hexdigest())


def organizations(given: Iterable[Any]) -> set[str]:
    """The organizations that what was read names."""
    named = [each.named_organization() for each in given if isinstance(each, Shape)]
    return {each for each in named if each is not None}


def operations(row: Row, face: Face | None = None) -> Mapping[str, Operation]:
    """A row's operations by HTTP method, as its own face or another one offers them.

    Raises `TypeError` where the face's endpoint has none for a method of the row.
    """
    assert row.http is not None
    shown = face or row.faces[0]
    module = import_module(shown.module)
    return {method: _operation(shown, getattr(module, method.lower(), None), method) for method in row.http.methods}


def _operation(face: Face, handle: Callable[..., Reply | Answer] | None, method: str) -> Operation:
    if handle is None:
        raise TypeError(f"{face.module} has no function {method.lower()}")
    hints = get_type_hints(handle)
    replies = _members(hints.pop("return"))
    names = [name for name in inspect.signature(handle).parameters if name != "call"]
    kinds = {name: _members(hints[name]) for name in names}
    return Operation(
        handle=handle,
        route=f"{method} {face.name}",
        path=hints.get("path"),
        query=hints.get("query"),
        body=kinds["body"][0] if "body" in kinds else None,
        body_required="body" in kinds and NoneType not in kinds["body"],
        parts={name: NoneType not in members for name, members in kinds.items() if UploadedFile in members},
        repeatable="once" in names,
        replies=replies,
    )


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
