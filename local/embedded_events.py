"""The embedded document store's changes as the events that Firestore would send, in JSON instead of protobuf."""

import base64
import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.deliveries import Event
from printpipe.adapters.embedded.changes import Change
from printpipe.domain.ports.documents import Document
from printpipe.runtime import catalog

EVENT_TYPE = "google.cloud.firestore.document.v1."


def events_of(change: Change, project: str, rows: Iterable[catalog.Row]) -> list[Event]:
    """The events of one change, one for each of these functions whose trigger it fits."""
    called = [(row.name, kind) for row in rows if row.trigger and (kind := _told(row.trigger, change))]
    if not called:
        return []
    database = f"projects/{project}/databases/(default)"
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    body = {
        "value": _document(change.after, database, now),
        "oldValue": _document(change.before, database, now),
    }
    return [
        Event(
            function=function,
            id=str(uuid.uuid4()),
            type=kind,
            source=f"//firestore.googleapis.com/{database}",
            time=now,
            document=change.path,
            content_type="application/json",
            body=json.dumps(body, ensure_ascii=False).encode(),
        )
        for function, kind in called
    ]


def _told(trigger: catalog.Trigger, change: Change) -> str | None:
    """The event type under which the trigger is told of the change, if it is."""
    if trigger.document is None or trigger.firestore not in (EVENT_TYPE + change.kind, EVENT_TYPE + "written"):
        return None
    pattern, path = trigger.document.split("/"), change.path.split("/")
    fits = len(pattern) == len(path) and all(
        part.startswith("{") or part == name for part, name in zip(pattern, path, strict=True)
    )
    return trigger.firestore if fits else None


def _document(document: Document | None, database: str, now: str) -> dict[str, Any]:
    """The document as Firestore writes it in JSON; an absent one is empty."""
    if document is None:
        return {}
    return {
        "name": f"{database}/documents/{document.path}",
        "fields": {name: _value(value) for name, value in document.data.items()},
        "createTime": now,
        "updateTime": now,
    }


def _value(value: Any) -> dict[str, Any]:
    """A field's value with its type."""
    match value:
        case None:
            return {"nullValue": None}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"integerValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode("ascii")}
        case datetime():
            return {"timestampValue": value.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        case Mapping():
            return {"mapValue": {"fields": {name: _value(item) for name, item in value.items()}}}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
    raise TypeError(f"no Firestore value: {type(value).__name__}")


def watcher(offer: Callable[[Event], None], project: str, rows: Collection[catalog.Row]) -> Callable[[Change], None]:
    """What to give to the document store's `watch`."""

    def tell(change: Change) -> None:
        for event in events_of(change, project, rows):
            offer(event)

    return tell
