"""A message was given up by the bus, after five attempts of a function: it is kept, and somebody alerted."""

from printpipe.domain.messages import Posted
from printpipe.services import dead_letters
from printpipe.services.context import Context


def handle(posted: Posted, context: Context) -> None:
    """Keeps it; a repetition changes nothing."""
    dead_letters.store(context, posted)
