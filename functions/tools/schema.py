"""Writes `functions/catalog.schema.json`, for editors, from the model of a row: `python -m tools.schema`."""

import json
from pathlib import Path
from typing import Any

from printpipe.runtime import catalog

FILE = Path("catalog.schema.json")
_WRITTEN_OUT = ("name", "uses")  # what a row never takes from the defaults


def schema() -> dict[str, Any]:
    """The JSON schema of `catalog.yaml`: its defaults, and its rows, which may leave out what has a default."""
    row = catalog.Row.model_json_schema()
    definitions = row.pop("$defs")
    defaultable = {name: field for name, field in row["properties"].items() if name not in _WRITTEN_OUT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The catalog of functions",
        "type": "object",
        "additionalProperties": False,
        "required": ["functions"],
        "properties": {
            "defaults": {"type": "object", "additionalProperties": False, "properties": defaultable},
            "functions": {"type": "array", "items": {**row, "required": list(_WRITTEN_OUT)}},
        },
        "$defs": definitions,
    }


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    (catalog.ROOT / FILE).write_text(text())
