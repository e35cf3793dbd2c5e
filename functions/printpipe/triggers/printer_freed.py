"""A job has changed: where a run has ended, the queue is served with the printer that it left."""

from printpipe.domain.messages import JobEvent
from printpipe.services.context import Context
from printpipe.services.jobs import dispatch
from printpipe.services.store.effects import Effect


def handle(message: JobEvent, effect: Effect, context: Context) -> None:
    """Serves the organization's queue; whoever did so before has left nothing to do."""
    if message.freed:
        dispatch.serve(context, message.organization_id)
        context.documents.commit(effect.note(context))
