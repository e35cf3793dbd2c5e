"""Composes the example values of the API's document from `functions/examples.yaml` and the schemas."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from printpipe.dialects.exchange import Occasion
from printpipe.domain import errors

FILE = Path("examples.yaml")
UNNAMED = "…"
"""Stands for a text that the file has no value for."""

OCCASION = Occasion("5f1c9c2ab4d04b0f8a3c", datetime(2025, 11, 12, 10, 30, tzinfo=UTC))

ERRORS: Mapping[str, errors.DomainError] = {
    error.code: error
    for error in (
        errors.InvalidInput("printerSerial: Field required", field="printerSerial"),
        errors.Unauthenticated("Invalid or missing API key"),
        errors.Forbidden("This key is not for that recipient", field="recipientId"),
        errors.NotFound("No such recipient", field="recipientId"),
        errors.MethodNotAllowed("This path takes POST"),
        errors.Conflict("The job has been claimed", field="jobId"),
        errors.PrinterBusy("The printer is printing", field="printer_id"),
        errors.PrinterOffline("The printer does not answer", printer_id="bambu_a1_001", last_seen=OCCASION.at),
        errors.DownloadFailed("The printer has no such file any more", field="file_id"),
        errors.Gone("The fetch token has been used"),
        errors.TooLarge("The request is larger than 33554432 bytes"),
        errors.RateLimited("Too many calls", retry_after=5),
        errors.IndexMissing("https://console.firebase.google.com/project/your-project/firestore/indexes"),
        errors.Unavailable("The document store does not answer"),
    )
}
"""One error of each code."""

Schema = Mapping[str, Any]


class Examples:
    """Values by the names of fields, and whole requests and answers by operation.

    `definitions` are the document's schemas, where references lead.
    """

    def __init__(self, table: Mapping[str, Any], definitions: Mapping[str, Schema]) -> None:
        self._fields: Mapping[str, Any] = table["fields"]
        self._parameters: Mapping[str, Mapping[str, Any]] = table["parameters"]
        self._requests: Mapping[str, Any] = table["requests"]
        self._answers: Mapping[str, Any] = table["answers"]
        self._definitions = definitions

    def request(self, operation: str, schema: Schema) -> Any:
        """A body: the file's, or one of the required fields."""
        if operation in self._requests:
            return self._requests[operation]
        return self._value(schema, "", whole=False)

    def answer(self, operation: str, status: int, schema: Schema) -> Any:
        """An answer with all its fields; the file's values go before those of the fields' names."""
        value = self._value(schema, "", whole=True)
        better = {**self._answers.get(operation, {}), **self._answers.get(f"{operation}_{status}", {})}
        return {name: better.get(name, each) for name, each in value.items()}

    def parameter(self, operation: str, name: str, schema: Schema) -> Any:
        """A value for a parameter: the file's for operations that are called so, or that of the field's name."""
        own = next((each for prefix, each in self._parameters.items() if operation.startswith(prefix)), {})
        return own[name] if name in own else self._value(schema, name, whole=False)

    def _value(self, schema: Schema, name: str, *, whole: bool) -> Any:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        if name in self._fields and self._fits(schema, self._fields[name]):
            return self._fields[name]
        for keyword in ("const", "default"):
            if schema.get(keyword) is not None:
                return schema[keyword]
        if "enum" in schema:
            return schema["enum"][0]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                chosen = next(each for each in schema[keyword] if each.get("type") != "null")
                return self._value(chosen, name, whole=whole)
        return self._of_type(schema, name, whole)

    def _of_type(self, schema: Schema, name: str, whole: bool) -> Any:
        match schema.get("type"):
            case "object":
                properties = schema.get("properties", {})
                chosen = properties if whole else schema.get("required", ())
                return {each: self._value(properties[each], each, whole=whole) for each in chosen}
            case "array":
                return [self._value(schema["items"], name, whole=whole)]
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "null":
                return None
        return UNNAMED

    def _fits(self, schema: Schema, value: Any) -> bool:
        rooted = {**schema, "components": {"schemas": self._definitions}}
        return bool(Draft202012Validator(rooted).is_valid(value))


def load(root: Path, definitions: Mapping[str, Schema]) -> Examples:
    """The examples of the project."""
    return Examples(yaml.safe_load((root / FILE).read_text()), definitions)
