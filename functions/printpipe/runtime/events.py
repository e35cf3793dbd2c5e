"""From a CloudEvent to its trigger's handler."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from cloudevents.http import CloudEvent

from printpipe.adapters.metered import billed
from printpipe.domain.log import log, log_failure
from printpipe.domain.tenancy import SYSTEM
from printpipe.runtime import logs
from printpipe.runtime.catalog import Row
from printpipe.runtime.process import process
from printpipe.triggers.change import Change


def server(row: Row) -> Callable[[CloudEvent], None]:
    """The plain function that functions-framework serves for a trigger's row.

    The handler of a Firestore event is called with the change and the context, that of a schedule with the context.
    """
    handle: Callable[..., None] = import_module(row.handler_module).handle
    assert row.trigger is not None
    scheduled = row.trigger.schedule is not None

    logs.set_up()

    def serve(event: CloudEvent) -> None:
        with logs.bound(function=row.name, eventId=event["id"]):
            try:
                change = None if scheduled else read_change(event)
                request_id = _request_id(event, change)
                with logs.bound(requestId=request_id), _accounted():
                    context = process().context(SYSTEM, request_id, None)
                    handle(*([change] if change else []), context)
            except Exception:
                log_failure("trigger_broke")
                raise  # the platform delivers the event again

    return serve


def read_change(event: CloudEvent) -> Change:
    """What a Firestore event tells, from either encoding that Eventarc delivers (protobuf, or JSON)."""
    path = str(event["subject"]).removeprefix("documents/")
    data = event.get_data()
    if isinstance(data, bytes):
        before, after = _from_protobuf(data)
    else:
        assert isinstance(data, Mapping)
        before, after = (_fields(data.get(side)) for side in ("oldValue", "value"))
    return Change(str(event["id"]), path, before, after)


@contextmanager
def _accounted() -> Iterator[None]:
    with billed() as bill:
        try:
            yield
        finally:
            if cost := bill.lines():
                log("event_billed", **cost)


def _request_id(event: CloudEvent, change: Change | None) -> str:
    """The call's that wrote the document, so that one id leads from it to here; otherwise the event's own."""
    fields = (change.after or change.before or {}) if change else {}
    return str(fields.get("requestId") or event["id"])


def _from_protobuf(data: bytes) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    from google.events.cloud.firestore import DocumentEventData  # heavy, and absent where events come as JSON
    from google.protobuf.json_format import MessageToDict

    parsed = DocumentEventData()
    parsed._pb.ParseFromString(data)
    as_json: Mapping[str, Any] = MessageToDict(parsed._pb)
    return _fields(as_json.get("oldValue")), _fields(as_json.get("value"))


def _fields(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not document or not document.get("name"):
        return None
    return {name: _value(each) for name, each in document.get("fields", {}).items()}


def _value(typed: Mapping[str, Any]) -> Any:
    """A value in Firestore's JSON form; protobuf's own JSON writes the same."""
    kind, value = next(iter(typed.items()))
    match kind:
        case "nullValue":
            return None
        case "integerValue":
            return int(value)
        case "doubleValue":
            return float(value)
        case "timestampValue":
            return _moment(value)
        case "bytesValue":
            return b64decode(value)
        case "arrayValue":
            return [_value(each) for each in value.get("values", [])]
        case "mapValue":
            return {name: _value(each) for name, each in value.get("fields", {}).items()}
        case _:
            return value


def _moment(text: str) -> datetime:
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(fraction + '000000')[:6]}").replace(tzinfo=UTC)
