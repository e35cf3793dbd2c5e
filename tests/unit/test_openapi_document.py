"""The API's document: it is whole, true to its own schemas, and up to date."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from printpipe.endpoints.document_page import render
from printpipe.runtime import catalog
from tools import openapi
from tools.examples import UNNAMED

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
DOCUMENT: dict[str, Any] = json.loads((FUNCTIONS / openapi.FILE).read_text())
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
}
ROWS = [row for row in catalog.rows(FUNCTIONS).values() if row.http]


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    rooted = {**schema, "components": DOCUMENT["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(rooted).iter_errors(value)]


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("schema"), dict):
            yield node["schema"]
        for each in node.values():
            yield from schemas(each)
    elif isinstance(node, list):
        for each in node:
            yield from schemas(each)


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an operation reads and answers, by media type; its failures are the dialect's."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {media_type}", content
    for status, answer in operation["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            yield f"answer {status} {media_type}", content


def examples_of(content: dict[str, Any]) -> list[Any]:
    """The example, or those of the two dialects that share an operation; their failures' stand elsewhere."""
    if "anyOf" in content["schema"] and not content.keys() & {"example", "examples"}:
        return []
    return [each["value"] for each in content["examples"].values()] if "examples" in content else [content["example"]]


def test_the_written_document_is_what_the_catalog_and_the_models_say() -> None:
    assert (FUNCTIONS / openapi.FILE).read_text() == openapi.text(), "`make openapi` writes it"


def test_every_row_and_method_is_in_it_once() -> None:
    found = [
        (method.upper(), path, operation["x-function"])
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]
    expected = [(method, row.http.path, row.name) for row in ROWS if row.http for method in row.http.methods]
    assert sorted(found) == sorted(expected)
    assert len(OPERATIONS) == len(expected)


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for schema in [*schemas(DOCUMENT), *DOCUMENT["components"]["schemas"].values()]:
        Draft202012Validator.check_schema(schema)
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))):
        node = DOCUMENT
        for part in reference.split("/"):
            node = node[part]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_described_and_its_examples_fit(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert any(status.startswith(("1", "2", "3")) for status in operation["responses"])
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" or "example" in parameter:
            assert errors(parameter["schema"], parameter["example"]) == [], parameter["name"]
    for where, content in contents(operation):
        if content["schema"] not in ({"type": "object"}, {"type": "string"}):
            for example in examples_of(content):
                assert errors(content["schema"], example) == [], where
                assert UNNAMED not in json.dumps(example, ensure_ascii=False), f"{where}: see examples.yaml"


@pytest.mark.parametrize("name", DOCUMENT["components"]["responses"])
def test_a_failures_examples_fit(name: str) -> None:
    content = DOCUMENT["components"]["responses"][name]["content"]["application/json"]
    assert content["examples"]
    for example in content["examples"].values():
        assert errors(content["schema"], example["value"]) == []


def test_credentials_and_scopes_are_the_catalogs() -> None:
    for row in ROWS:
        assert row.http is not None
        for method in row.http.methods:
            operation = OPERATIONS[f"{row.entry_point}_{method.lower()}"]
            keyed, open_to_all = bool(operation["security"]), {} in operation["security"] or not operation["security"]
            assert keyed == (row.auth not in ("none", "token")), row.name
            assert open_to_all == (row.auth in ("none", "token", "optional")), row.name
            assert operation.get("x-scope") == (row.scope_for(method) if keyed else None), row.name


def test_a_call_that_may_be_repeated_says_so() -> None:
    keyed = {
        name
        for name, operation in OPERATIONS.items()
        if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", ()))
    }
    assert {"cloud_command_control_post", "cloud_file_upload_post", "cloud_job_create_post"} <= keyed
    assert "cloud_command_control_get" not in keyed


def test_a_form_carries_its_files_as_bytes() -> None:
    content = OPERATIONS["cloud_file_upload_post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    assert content["multipart/form-data"]["schema"]["properties"]["file"]["format"] == "binary"


def test_who_may_come_again_later_is_told_when() -> None:
    responses = DOCUMENT["components"]["responses"]
    told = {name for name, answer in responses.items() if "Retry-After" in answer["headers"]}
    assert told == {name for name in responses if name.endswith(("-429", "-503"))}


def test_the_page_escapes_what_it_shows() -> None:
    document = json.loads(json.dumps(DOCUMENT))
    evil = "</pre><script>alert(1)</script>\"'&"
    operation = document["paths"]["/control"]["post"]
    operation["summary"] = operation["description"] = evil
    operation["requestBody"]["content"]["application/json"]["example"] = {evil: evil}
    document["components"]["schemas"]["CloudCommandControlRequest"]["properties"][evil] = {
        "type": evil,
        "pattern": evil,
    }
    document["servers"] = [{"url": evil}]
    page = render(document)
    assert "alert(1)" in page
    assert "<script" not in page
