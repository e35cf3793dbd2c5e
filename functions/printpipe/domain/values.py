"""The kinds of text, time and data that callers send, with their bounds."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ID = re.compile(r"[A-Za-z0-9._~:@+=-]{1,128}")
_RESERVED_ID = re.compile(r"\.{1,2}|__.*__")
_PAYLOAD_BYTES = 64 * 1024


def _check_id(value: str) -> str:
    if not _ID.fullmatch(value) or _RESERVED_ID.fullmatch(value):
        raise ValueError("must be 1 to 128 letters, digits or . _ ~ : @ + = -")
    return value


def _check_name(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not hold control characters")
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _check_text(value: str) -> str:
    if _CONTROL.search(value.replace("\n", "").replace("\t", "").replace("\r", "")):
        raise ValueError("must not hold control characters")
    return value


def _check_time(value: datetime) -> datetime:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _check_payload(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _PAYLOAD_BYTES:
        raise ValueError(f"must be at most {_PAYLOAD_BYTES} bytes of JSON")
    _check_shape(value, in_list=False)
    return value


def _check_shape(value: Any, *, in_list: bool) -> None:
    if isinstance(value, list):
        if in_list:
            raise ValueError("must not hold a list directly within a list")
        for each in value:
            _check_shape(each, in_list=True)
    elif isinstance(value, dict):
        for key, each in value.items():
            if not key or len(key) > 256 or _RESERVED_ID.fullmatch(key):
                raise ValueError("must not hold an empty, reserved or over-long field name")
            _check_shape(each, in_list=False)


Id = Annotated[str, AfterValidator(_check_id)]
"""Names a document, a subscription or a printer: a safe part of a path."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_check_name)]
"""A short label of one line that somebody typed."""

Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_check_text)]
"""A message of a few lines at the most."""

Moment = Annotated[datetime, AfterValidator(_check_time)]
"""A point in time, in UTC; one without a zone is read as UTC."""

Payload = Annotated[dict[str, Any], AfterValidator(_check_payload)]
"""Free data that a client attaches: an object that the document store can hold, at most 64 KiB."""
