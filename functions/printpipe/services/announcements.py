"""Telling others over the bus what has happened."""

from printpipe.domain import tracing
from printpipe.domain.log import log
from printpipe.domain.messages import Message
from printpipe.services.context import Context


def announce(context: Context, message: Message) -> None:
    """Publishes to the topic of the message's model. Raises `Unavailable` where the bus cannot be reached."""
    parent = tracing.nearest(message.traceparent)
    with tracing.span(f"publish {message.TOPIC}", "producer", parent, {"printpipe.kind": message.kind}) as span:
        message = message.model_copy(update={"traceparent": span.traceparent})
        message_id = context.platform.bus.publish(message.TOPIC, message.content(), message.attributes())
    log("message_published", topic=message.TOPIC, kind=message.kind, eventId=message.event_id, messageId=message_id)
