"""JSON answers of the gateway's own."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse


def answer_json(start_response: "StartResponse", status: HTTPStatus, body: Mapping[str, Any] | str) -> list[bytes]:
    """Answers with a JSON object, or with text that is JSON already."""
    data = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [data]
