"""Something has happened to a job, a command or a print: the organization's channels tell of it, where they are to."""

from printpipe.domain.messages import JobEvent
from printpipe.services.context import Context
from printpipe.services.notifications import jobs
from printpipe.services.store.effects import Effect


def handle(message: JobEvent, effect: Effect, context: Context) -> None:
    """Plans what is to be sent."""
    jobs.tell(context, message, effect)
