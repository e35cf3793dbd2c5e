"""A printer reported an error, or its end: the incident is made to say so, told of, and acted on where that is wanted.

What the message tells is looked up, so that a message that is repeated, late or overtaken changes nothing twice.
"""

from printpipe.domain.messages import HmsEvent
from printpipe.services.context import Context
from printpipe.services.incidents import following
from printpipe.services.store.effects import Effect


def handle(message: HmsEvent, effect: Effect, context: Context) -> None:
    """Follows what the printer's event says."""
    following.follow(context, message, effect)
