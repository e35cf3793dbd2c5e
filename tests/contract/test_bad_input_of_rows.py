"""Bad input gets its dialect's status and form, names its field, and leaves nothing behind: every row that takes any.

The dialect `cloud` has more ways to be called, and a module of its own.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from printpipe.runtime.binding import operations
from printpipe.runtime.catalog import rows
from tests.cloud import Cloud, Site
from tests.contract.refusals import LIVE, assert_is_refusal, message_of
from tests.contract.wire_client import send, variables_of
from tests.contract.wire_examples import fill, keyed_example

ONE_BACKEND_AT_REDUCED_COUNTS = True

OFFERED = {
    f"{face.name}-{method}": (face, method, row.http.path, operation)
    for row in rows().values()
    if row.http
    for face in row.faces
    if face.dialect != "cloud" and face.name not in LIVE
    for method, operation in operations(row, face).items()
}
WITH_BODIES = [label for label, (*_, operation) in OFFERED.items() if operation.body]
WITH_IDS = [label for label, (*_, operation) in OFFERED.items() if operation.path]

JSON = "application/json"
BODIES: Mapping[str, tuple[str, bytes, str]] = {
    "malformed JSON": (JSON, b'{"organizationId": ', "body"),
    "nothing": (JSON, b"", "body"),
    "a list": (JSON, b"[1]", "body"),
    "not a number": (JSON, b'{"unheard": NaN}', "body"),
    "an infinite number": (JSON, b'{"unheard": 1e999}', "unheard"),
    "half a surrogate pair": (JSON, b'{"unheard": "\\ud800"}', "unheard"),
    "depth": (JSON, b'{"unheard": ' + b'{"a":' * 60 + b"1" + b"}" * 61, "unheard.a"),
    "endless depth": (JSON, b"[" * 100_000, "body"),
    "more values than anybody sends": (JSON, b'{"unheard": [%b]}' % b",".join([b"{}"] * 30_000), "body"),
    "another content type": ("text/plain", b"{}", "Content-Type"),
    "a form": ("application/x-www-form-urlencoded", b"name=Left", "Content-Type"),
}

_LONGER_THAN_ANY = json.dumps("x" * 5000)
_WRONG: Mapping[str, tuple[str, ...]] = {
    "string": ("7", "true", "{}", "[]", _LONGER_THAN_ANY),
    "number": ('"7"', "true", "1e999", "1e30", "-1e30", "{}"),
    "integer": ('"7"', "true", "1e999", "1e30", "-1e30", "1.5"),
    "boolean": ('"true"', "7", "{}"),
    "object": ("7", '"x"', "[]", '{"a":' * 40 + "1" + "}" * 40),
    "array": ("7", '"x"', "{}", "[7, [7]]"),
}
"""By the type of a field, JSON that is none of it."""

_CONTROL_CHARACTER = r'"bed\u0007side"'
_ANY = "7"
"""What could be any id."""


def _assert_refused(answer: requests.Response, dialect: str, field: str) -> None:
    unreadable = field in ("body", "Content-Type")
    assert_is_refusal(answer, dialect, 422 if dialect == "printernizer" and not unreadable else 400)
    assert field in _named(answer, dialect)
    assert len(answer.text) < 1000


def _named(answer: requests.Response, dialect: str) -> str:
    """The field that an answer says it is about, or the text that begins with it."""
    if dialect == "printernizer":
        return str(answer.json()["error"]["details"]["field"])
    return message_of(answer)


def _token(cloud: Cloud, site: Site) -> str:
    """A token of a user whose calls are counted for this test alone."""
    return cloud.token(site.organization, "admin", f"user-{site.organization}")


def _step(label: str) -> dict[str, Any]:
    face, method, path, _ = OFFERED[label]
    return keyed_example(face.name, method, path)


def _all_else(text: str, variables: Mapping[str, str]) -> Mapping[str, str]:
    """The variables; what else an example speaks of is called by that text."""
    return defaultdict(lambda: text, variables)


@pytest.mark.parametrize("label", WITH_BODIES)
def test_a_body_that_is_none_is_refused(cloud: Cloud, site: Site, label: str) -> None:
    face, _, _, operation = OFFERED[label]
    request, token = fill(_step(label)["request"], _all_else(_ANY, {})), _token(cloud, site)
    before = cloud.stored(site.organization)
    for case, (media_type, body, field) in BODIES.items():
        if case == "nothing" and not operation.body_required:
            continue
        headers = {"Content-Type": media_type}
        answer = cloud.call(request["method"], request["path"], token=token, data=body, headers=headers)
        if face.dialect == "taverna":  # no key can be read out of it
            assert_is_refusal(answer, face.dialect, 401)
        else:
            _assert_refused(answer, face.dialect, field)
    assert cloud.stored(site.organization) == before


@pytest.mark.parametrize("label", WITH_BODIES)
def test_a_field_that_is_wrong_is_named(cloud: Cloud, site: Site, label: str) -> None:
    variables, dialect = _all_else(_ANY, variables_of(cloud, site)), OFFERED[label][0].dialect
    request, before = fill(_step(label)["request"], variables), cloud.stored(site.organization)
    token, headers = _token(cloud, site), {"Content-Type": JSON}
    for field, wrong in _wrong_fields(OFFERED[label][3].body):
        others = {name: value for name, value in request.get("json", {}).items() if name != field}
        body = ", ".join([*(f'"{name}": {json.dumps(value)}' for name, value in others.items()), f'"{field}": {wrong}'])
        answer = cloud.call(
            request["method"], request["path"], token=token, data=f"{{{body}}}".encode(), headers=headers
        )
        _assert_refused(answer, dialect, field)
        assert dialect == "taverna" or _named(answer, dialect).startswith(field), answer.text
    assert cloud.stored(site.organization) == before


def _wrong_fields(model: Any) -> Iterator[tuple[str, str]]:
    """Each field of a request with what it cannot be, as JSON."""
    schema = model.model_json_schema(by_alias=True)
    for name, field in schema["properties"].items():
        members = [_resolved(each, schema) for each in field.get("anyOf", [_resolved(field, schema)])]
        kinds = {each["type"] for each in members if "type" in each} - {"null"}
        if len(kinds) != 1 or name == "api_key":
            continue  # it takes several kinds, or is the credential
        yield from ((name, wrong) for wrong in _WRONG[kinds.pop()])
        if any("pattern" in each or "enum" in each for each in members):
            yield name, _CONTROL_CHARACTER


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return found


@pytest.mark.parametrize("label", WITH_IDS)
def test_an_id_that_is_none_is_refused(cloud: Cloud, site: Site, label: str) -> None:
    step, (face, _, path, _) = _step(label), OFFERED[label]
    (parameter,) = re.findall(r"{(\w+)}", path)
    template = step["request"]["path"].split("?")
    own = {"token": None} if face.dialect == "taverna" else {"token": _token(cloud, site), "key": None}
    for wrong in ("x" * 129, "a b", "__x__", "%00"):
        asked = {**step["request"], "path": "?".join([re.sub(r"{\w+}", wrong, path), *template[1:]])}
        answer = send(cloud, {**step, "request": asked}, _all_else(_ANY, variables_of(cloud, site)), **own)
        _assert_refused(answer, face.dialect, parameter)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("status=resting", "status"),
        ("cursor=x", "cursor"),
        (f"cursor={'x' * 600}", "cursor"),
        ("organizationId=a/b", "organizationId"),
    ],
)
@pytest.mark.parametrize("path", ["printers", "print-jobs", "printer-commands"])
def test_a_query_that_is_none_is_refused(cloud: Cloud, site: Site, path: str, query: str, field: str) -> None:
    answer = cloud.call("GET", f"/api/{path}?{query}", token=cloud.token(site.organization))
    _assert_refused(answer, "printpro", field)
