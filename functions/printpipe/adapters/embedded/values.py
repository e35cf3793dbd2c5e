"""Documents as JSON text and back, with times and bytes typed."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_TAGS = frozenset({"$time", "$bytes", "$map"})


def dump(data: Mapping[str, Any]) -> str:
    """The document as JSON text, the same for equal documents."""
    return json.dumps(_encode(data), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def load(text: str) -> dict[str, Any]:
    """The document that `dump` wrote; its times are aware and UTC."""
    loaded: dict[str, Any] = json.loads(text, object_hook=_decode)
    return loaded


def time_text(value: datetime) -> str:
    """A time as `dump` writes it: as text in the order of time, for "+" of the zone comes before "." of a fraction."""
    return value.astimezone(UTC).isoformat()


def _encode(value: Any) -> Any:
    match value:
        case datetime():
            return {"$time": time_text(value)}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        case Mapping():
            encoded = {name: _encode(item) for name, item in value.items()}
            # Pairs in a list, so that a user's own "$time" is not taken for ours on the way back.
            return {"$map": [[*pair] for pair in encoded.items()]} if _TAGS & encoded.keys() else encoded
        case list() | tuple():
            return [_encode(item) for item in value]
    return value


def _decode(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        match value:
            case {"$time": str(text)}:
                return datetime.fromisoformat(text)
            case {"$bytes": str(text)}:
                return base64.b64decode(text)
            case {"$map": list(pairs)}:
                return dict(pairs)
    return value
