"""A notification that is due is sent."""

from printpipe.domain.messages import NotificationEvent
from printpipe.services.context import Context
from printpipe.services.notifications import sending
from printpipe.services.store.effects import Effect


def handle(message: NotificationEvent, effect: Effect, context: Context) -> None:
    """One attempt, whose outcome is stored with the note; one that is not due, or under way elsewhere, is left be."""
    sending.send(context, message.delivery_id, effect)
