"""Writes `functions/openapi.json`, the API's OpenAPI 3.1 document: `python -m tools.openapi`.

It is made from the catalog, the endpoints' signatures and docstrings, their models and their dialects; a new row needs
nothing more than to be there. Example values come from `examples.yaml`.
"""

import inspect
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import CoreModeRef, DefsRef, GenerateJsonSchema, JsonSchemaMode, models_json_schema

from printpipe.runtime import catalog
from printpipe.runtime.binding import IDEMPOTENCY_HEADER, Operation, operations
from tools.examples import ERRORS, OCCASION, Examples, load

FILE = Path("openapi.json")
_REFERENCE = "#/components/schemas/"
_RESPONSES = "#/components/responses/"
_MODULE = re.compile(r"printpipe\.(?:endpoints|dialects)\.([a-z_.]+)\.(?=[A-Z])")
_BINARY = {"type": "string", "format": "binary"}
_TICKET = {"ticket": {"type": "apiKey", "in": "query", "name": "ticket"}}
"""What a browser sends that cannot send a header, as a security scheme."""

_RETRY = {"Retry-After": {"description": "seconds", "required": True, "schema": {"type": "integer", "minimum": 0}}}
_HEADERS_OF: Mapping[str, Mapping[str, Any]] = {
    "rate_limited": _RETRY,
    "unavailable": _RETRY,
    "method_not_allowed": {"Allow": {"description": "the path's methods", "schema": {"type": "string"}}},
}

Json = dict[str, Any]


@dataclass(frozen=True)
class _Offer:
    """A method of a function, as one of its faces offers it."""

    row: catalog.Row
    face: catalog.Face
    method: str
    operation: Operation

    @property
    def identifier(self) -> str:
        """The operation's name."""
        return f"{self.face.name.replace('-', '_')}_{self.method.lower()}"

    @property
    def keyed(self) -> bool:
        """Whether a credential shows more, or is needed."""
        return self.face.auth in ("key", "jwt", "either", "ticket", "optional")


_CAUSES: Mapping[str, Callable[[_Offer], bool]] = {
    "invalid_input": lambda each: bool(_models(each.operation)) or each.operation.repeatable,
    "unauthenticated": lambda each: each.keyed,
    "forbidden": lambda each: each.keyed,
    "not_found": lambda each: each.operation.path is not None or bool(each.row.uses),
    "method_not_allowed": lambda each: True,
    "conflict": lambda each: each.method != "GET" and bool(each.row.uses),
    "gone": lambda each: "files" in each.row.uses,
    "too_large": lambda each: each.operation.body is not None or bool(each.operation.parts),
}
"""When an operation may answer with an error of this code; others wherever it uses anything."""


class _Naming(GenerateJsonSchema):
    """Names a model by its dialect and endpoint: `CloudJobClaimRequest`."""

    def get_defs_ref(self, core_mode_ref: CoreModeRef) -> DefsRef:
        core_ref, mode = core_mode_ref
        return super().get_defs_ref((type(core_ref)(_MODULE.sub(_spoken, core_ref)), mode))

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _spoken(module: re.Match[str]) -> str:
    return "".join(part.capitalize() for part in re.split(r"[._]", module[1].removesuffix("_views")))


class _Schemas:
    """The JSON schemas of all models that the operations name."""

    def __init__(self, found: Mapping[type[BaseModel], JsonSchemaMode]) -> None:
        template = f"{_REFERENCE}{{model}}"
        references, table = models_json_schema(list(found.items()), ref_template=template, schema_generator=_Naming)
        self._references = {model: reference for (model, _), reference in references.items()}
        self.definitions: Json = table.get("$defs", {})
        for definition in self.definitions.values():
            definition.pop("title", None)

    def reference(self, model: type[BaseModel]) -> Json:
        """Where a model's schema is."""
        return dict(self._references[model])

    def of(self, model: type[BaseModel]) -> Json:
        """A model's schema itself."""
        found: Json = self.definitions[self._references[model]["$ref"].removeprefix(_REFERENCE)]
        return found


def document(root: Path = catalog.ROOT) -> Json:
    """The document. Raises `TypeError` where an endpoint does not serve its row."""
    offered = [
        _Offer(row, face, method, operation)
        for row in catalog.rows(root).values()
        if row.http
        for face in row.faces
        for method, operation in operations(row, face).items()
    ]
    dialects = {each.face.dialect: import_module(f"printpipe.dialects.{each.face.dialect}") for each in offered}
    failures = {name: module.Failure for name, module in dialects.items()}
    written: dict[type[BaseModel], JsonSchemaMode] = dict.fromkeys(failures.values(), "serialization")
    for each in offered:
        written |= dict.fromkeys(_models(each.operation), "validation")
        written |= {reply: "serialization" for reply in each.operation.replies if issubclass(reply, BaseModel)}
    schemas = _Schemas(written)
    examples = load(root, schemas.definitions)
    responses = {
        f"{name}-{status}": failure
        for name, dialect in dialects.items()
        for status, failure in _failures(dialect, schemas.reference(failures[name])).items()
    }

    paths: defaultdict[str, Json] = defaultdict(dict)
    schemes: Json = {}
    for each in offered:
        assert each.row.http is not None
        dialect = dialects[each.face.dialect]
        schemes |= dialect.CREDENTIALS if each.keyed else {}
        schemes |= _TICKET if each.face.auth == "ticket" else {}
        answers = _replies(each.identifier, each.operation, schemas, examples)
        if each.row.limit is not None:
            for answer in answers.values():
                answer["headers"] |= _ALLOWANCE
        failed: Json = {
            str(status): {"$ref": f"{_RESPONSES}{each.face.dialect}-{status}"}
            for status in sorted(_statuses(each, dialect))
        }
        for status in answers.keys() & failed.keys():
            _widen(answers[status], schemas.reference(failures[each.face.dialect]))
        described = _operation(each, dialect, schemas, examples) | {"responses": failed | answers}
        before = paths[each.row.http.path].get(each.method.lower())
        paths[each.row.http.path][each.method.lower()] = _joined(before, described, responses) if before else described
    components = {"securitySchemes": schemes, "responses": responses, "headers": _HEADERS}
    used = _reachable(schemas.definitions, {"paths": paths, "components": components})
    return {
        "openapi": "3.1.0",
        "info": {"title": "PrintPipe", "version": "1.0.0", "description": "The serverless cloud for 3D-printer farms."},
        "tags": [{"name": name, "description": inspect.getdoc(module)} for name, module in dialects.items()],
        "paths": dict(paths),
        "components": {**components, "schemas": used},
    }


_HEADERS = {
    "RequestId": {"description": "names the call in our logs", "required": True, "schema": {"type": "string"}},
    "RateLimitLimit": {"description": "calls", "required": True, "schema": {"type": "string"}},
    "RateLimitRemaining": {"description": "calls", "required": True, "schema": {"type": "string"}},
    "RateLimitReset": {"description": "seconds since 1970", "required": True, "schema": {"type": "string"}},
}
_ALLOWANCE: Json = {
    f"X-RateLimit-{name}": {"$ref": f"#/components/headers/RateLimit{name}"} for name in ("Limit", "Remaining", "Reset")
}
_LOCATION: Json = {"Location": {"description": "where the bytes are", "required": True, "schema": {"type": "string"}}}


def _models(operation: Operation) -> list[type[BaseModel]]:
    return [model for model in (operation.path, operation.query, operation.body) if model]


def _operation(offer: _Offer, dialect: Any, schemas: _Schemas, examples: Examples) -> Json:
    operation, scope = offer.operation, offer.row.scope_for(offer.method) if offer.keyed else None
    credentials: list[Json] = [{name: []} for name in dialect.CREDENTIALS]
    closed = dict.fromkeys(("key", "jwt", "either"), credentials)
    tickets: list[Json] = [{name: []} for name in _TICKET]
    security = {**closed, "ticket": [*credentials, *tickets], "optional": [*credentials, {}]}.get(offer.face.auth, [])
    module = inspect.getmodule(operation.handle)
    doc = inspect.getdoc(operation.handle) or ""
    assert offer.row.http is not None
    also = f"Also at {' and '.join(f'`{path}`' for path in offer.row.http.also)}." if offer.row.http.also else None
    found: Json = {
        "operationId": offer.identifier,
        "tags": [offer.face.dialect],
        "summary": doc.partition("\n")[0].removesuffix("."),
        "description": "\n\n".join(
            filter(None, [inspect.getdoc(module), f"Scope: `{scope}`." if scope else None, also])
        ),
        "security": security,
        "x-function": offer.row.name,
    }
    if scope:
        found["x-scope"] = scope
    if parameters := list(_parameters(found["operationId"], operation, schemas, examples)):
        found["parameters"] = parameters
    if operation.body or operation.parts:
        found["requestBody"] = _body(found["operationId"], operation, schemas, examples)
    return found


def _parameters(identifier: str, operation: Operation, schemas: _Schemas, examples: Examples) -> Iterator[Json]:
    places: tuple[tuple[Literal["path", "query"], type[BaseModel] | None], ...]
    places = (("path", operation.path), ("query", operation.query))
    for place, model in places:
        shape = schemas.of(model) if model else {}
        for name, schema in shape.get("properties", {}).items():
            plain = _without_null(schema)
            required = place == "path" or name in shape.get("required", ())
            parameter = {"name": name, "in": place, "required": required, "schema": plain}
            yield parameter | ({"example": examples.parameter(identifier, name, plain)} if required else {})
    if operation.repeatable:
        yield {
            "name": IDEMPOTENCY_HEADER,
            "in": "header",
            "required": False,
            "description": "printable ASCII; the same key and request are answered as the first time, for 24 hours",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
        }


def _body(name: str, operation: Operation, schemas: _Schemas, examples: Examples) -> Json:
    content: Json = {}
    if operation.body and operation.takes_json:
        schema = schemas.reference(operation.body)
        content["application/json"] = {"schema": schema, "example": examples.request(name, schema)}
    if operation.parts:
        shape = schemas.of(operation.body) if operation.body else {}
        fields = {field: _without_null(schema) for field, schema in shape.get("properties", {}).items()}
        required = [*shape.get("required", ()), *(part for part, needed in operation.parts.items() if needed)]
        form = {
            "type": "object",
            "properties": {**fields, **dict.fromkeys(operation.parts, _BINARY)},
            "required": required,
        }
        composed = examples.request(f"{name}_form", {**form, "required": [each for each in required if each in fields]})
        content["multipart/form-data"] = {
            "schema": form,
            "example": {**composed, **{part: f"(the bytes of the {part})" for part in operation.parts}},
        }
    return {"required": operation.body_required or any(operation.parts.values()), "content": content}


def _without_null(schema: Json) -> Json:
    """What a text can say of a value: a form's field or a parameter is left out instead of null."""
    plain = {keyword: value for keyword, value in schema.items() if (keyword, value) != ("default", None)}
    if "anyOf" in plain:
        members = [member for member in plain.pop("anyOf") if member != {"type": "null"}]
        plain |= members[0] if len(members) == 1 else {"anyOf": members}
    return plain


def _replies(name: str, operation: Operation, schemas: _Schemas, examples: Examples) -> Json:
    by_status: defaultdict[int, list[Any]] = defaultdict(list)
    for reply in operation.replies:
        by_status[reply.STATUS].append(reply)
    found: dict[str, Json] = {}
    for status, replies in sorted(by_status.items()):
        media_types: Json = {}
        for reply in replies:
            if issubclass(reply, BaseModel):
                schema = schemas.reference(reply)
                if reply.MEDIA_TYPE in media_types:
                    media_types[reply.MEDIA_TYPE]["schema"] = _either(media_types[reply.MEDIA_TYPE]["schema"], schema)
                else:
                    media_types[reply.MEDIA_TYPE] = {"schema": schema, "example": examples.answer(name, status, schema)}
            else:
                kind = "object" if reply.MEDIA_TYPE == "application/json" else "string"
                media_types[reply.MEDIA_TYPE.partition(";")[0]] = {"schema": {"type": kind}}
        said = " ".join((inspect.getdoc(reply) or "").partition("\n\n")[0] for reply in replies)
        found[str(status)] = {"description": said, "headers": _request_id(), "content": media_types}
        if status == HTTPStatus.FOUND:
            found[str(status)]["headers"] |= _LOCATION
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            del found[str(status)]["content"]
    return found


def _either(one: Json, other: Json) -> Json:
    return {"anyOf": [*one.get("anyOf", [one]), other]}


def _widen(answer: Json, failure: Json) -> None:
    """An endpoint's own answer has the status of a failure: either may come."""
    for content in answer["content"].values():
        content["schema"] = _either(content["schema"], failure)


def _statuses(offer: _Offer, dialect: Any) -> set[int]:
    """Those with which an operation may fail."""
    possible = (
        status
        for code, (status, _) in dialect.ERRORS.items()
        if (_CAUSES[code](offer) if code in _CAUSES else offer.row.uses)
    )
    return {*possible, dialect.BROKEN[0]}


def _joined(one: Json, other: Json, responses: Json) -> Json:
    """One operation of two that share a path: the credential decides which it is, and what it reads and answers."""
    answers = {
        status: _joined_answer(
            *(_resolved(each["responses"][status], responses) for each in (one, other) if status in each["responses"])
        )
        for status in sorted({*one["responses"], *other["responses"]})
    }
    joined = {
        **one,
        "tags": [*one["tags"], *other["tags"]],
        "description": f"{one['description']}\n\nWith a bearer token: {other['description']}",
        "security": [*one["security"], *other["security"]],
        "responses": answers,
    }
    parameters = {(each["name"], each["in"]): each for shown in (other, one) for each in shown.get("parameters", ())}
    if parameters:
        joined["parameters"] = list(parameters.values())
    bodies = [shown["requestBody"] for shown in (one, other) if "requestBody" in shown]
    if bodies:
        contents = [body["content"]["application/json"] for body in bodies]
        schema = {"anyOf": [content["schema"] for content in contents]}
        shown = {name: {"value": content["example"]} for name, content in zip(joined["tags"], contents, strict=True)}
        required = all(body["required"] for body in bodies)
        joined["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": schema, "examples": shown}},
        }
    return joined


def _resolved(response: Json, responses: Json) -> Json:
    return responses[response["$ref"].removeprefix(_RESPONSES)] if "$ref" in response else response


def _joined_answer(*answers: Json) -> Json:
    if len(answers) == 1:
        return answers[0]
    contents = [answer["content"]["application/json"]["schema"] for answer in answers]
    return {
        **answers[0],
        "headers": {name: header for answer in answers for name, header in answer["headers"].items()},
        "content": {"application/json": {"schema": {"anyOf": contents}}},
    }


def _failures(dialect: Any, schema: Json) -> Mapping[int, Json]:
    """A dialect's answers to calls that did not work, by status."""
    by_status: defaultdict[int, dict[str, Json]] = defaultdict(dict)
    for code, (status, _) in dialect.ERRORS.items():
        by_status[status][code] = dialect.failure(ERRORS[code], OCCASION).body
    by_status[dialect.BROKEN[0]]["broken"] = dialect.breakdown(OCCASION).body
    return {
        status: {
            "description": f"{' or '.join(bodies).replace('_', ' ').capitalize()}.",
            "headers": _request_id()
            | {name: each for code in bodies for name, each in _HEADERS_OF.get(code, {}).items()},
            "content": {
                "application/json": {
                    "schema": schema,
                    "examples": {code: {"value": body} for code, body in bodies.items()},
                }
            },
        }
        for status, bodies in sorted(by_status.items())
    }


def _request_id() -> Json:
    return {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}


def _reachable(definitions: Json, start: Any) -> Json:
    """The definitions that anything refers to."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        names = re.findall(rf'"{_REFERENCE}([^"]+)"', json.dumps(waiting.pop()))
        waiting += [definitions[name] for name in set(names) - found]
        found |= set(names)
    return {name: definition for name, definition in definitions.items() if name in found}


def text() -> str:
    """The file's content."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (catalog.ROOT / FILE).write_text(text())
