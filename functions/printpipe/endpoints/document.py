"""The API's document, as the bundle of a function that shows it carries it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).resolve().parents[2] / "openapi.json"


def document(base_url: str | None) -> dict[str, Any]:
    """The document, with the deployment's own address where it is known."""
    return {**_written(), "servers": [{"url": base_url}]} if base_url else _written()


@cache
def _written() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found
