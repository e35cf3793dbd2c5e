"""From a CloudEvent to its trigger's handler."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import functions_framework
from cloudevents.http import CloudEvent

from printpipe.adapters.metered import billed
from printpipe.domain.log import log, log_failure
from printpipe.domain.measures import measured
from printpipe.domain.messages import DEAD_LETTERS, MODELS, ONLY, Message, Posted
from printpipe.domain.ports.documents import PreconditionFailed
from printpipe.domain.tenancy import SYSTEM
from printpipe.runtime import logs, tracing
from printpipe.runtime.catalog import Row
from printpipe.runtime.process import process
from printpipe.services import dead_letters
from printpipe.services.context import Context
from printpipe.services.store.effects import Effect
from printpipe.triggers.change import Change


def server(row: Row) -> Callable[[CloudEvent], None]:
    """The plain function that functions-framework serves for a trigger's row.

    The handler of a Firestore event is called with the change and the context, that of a topic with the message, the
    effect and the context, that of a schedule with the context.
    """
    handle: Callable[..., None] = import_module(row.handler_module).handle
    assert row.trigger is not None
    topic, scheduled = row.trigger.topic, row.trigger.schedule is not None

    logs.set_up()
    tracing.set_up()

    def serve(event: CloudEvent) -> None:
        with logs.bound(function=row.name, eventId=event["id"]):
            try:
                if topic is not None:
                    _take(row.name, topic, event, handle)
                    return
                change = None if scheduled else read_change(event)
                with _serving(row.name, _request_id(event, change), _traceparent(change)) as context:
                    handle(*([change] if change else []), context)
            except Exception:
                log_failure("trigger_broke")
                raise  # the platform delivers the event again

    # Known to the framework by its name: a subscription pushes to what the platform takes for an HTTP function.
    serve.__name__ = row.entry_point
    registered: Callable[[CloudEvent], None] = functions_framework.cloud_event(serve)
    return registered


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


def _take(function: str, topic: str, event: CloudEvent, handle: Callable[..., None]) -> None:
    """Gives a message to its handler, unless it was dealt with before; what fails is noted for who looks into it."""
    posted = Posted.of(event.get_data(), str(event["time"]))
    if topic != DEAD_LETTERS and posted.attributes.get(ONLY, function) != function:
        return
    request_id, parent = (
        posted.attributes.get("requestId") or str(event["id"]),
        posted.attributes.get("traceparent", ""),
    )
    with _serving(function, request_id, parent) as context:
        try:
            if topic == DEAD_LETTERS:
                handle(posted, context)
                return
            message = MODELS[topic].model_validate_json(posted.data)
            effect = Effect(function, message.event_id, message.organization_id, posted.published_at)
            with logs.bound(eventId=message.event_id):
                _once(effect, message, context, handle)
        except Exception as error:
            dead_letters.note_failure(context, function, posted, error)
            raise


def _once(effect: Effect, message: Message, context: Context, handle: Callable[..., None]) -> None:
    if effect.done(context):
        log("event_repeated", kind=message.kind)
        return
    try:
        handle(message, effect, context)
        measured("consumer_lag", (context.now() - effect.published_at).total_seconds(), consumer=effect.consumer)
    except PreconditionFailed:
        if not effect.done(context):  # another delivery of it was not faster
            raise


@contextmanager
def _serving(function: str, request_id: str, parent: str) -> Iterator[Context]:
    with logs.bound(requestId=request_id), billed() as bill:
        try:
            with tracing.invocation(function, "consumer", parent, {"faas.name": function}):
                yield process().context(SYSTEM, request_id, None)
        finally:
            if cost := bill.lines():
                log("event_billed", **cost)


def _request_id(event: CloudEvent, change: Change | None) -> str:
    """The call's that wrote the document, so that one id leads from it to here; otherwise the event's own."""
    fields = (change.after or change.before or {}) if change else {}
    return str(fields.get("requestId") or event["id"])


def _traceparent(change: Change | None) -> str:
    """Where the trace goes on that the document began with."""
    fields = (change.after or change.before or {}) if change else {}
    return str(fields.get("traceparent") or "")


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
