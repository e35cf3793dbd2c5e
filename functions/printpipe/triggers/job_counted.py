"""A job has changed: where it has ended, or had, the statistics are made to say what it says.

What the message tells of the job is looked at only to see whether it can matter: messages are repeated, late and
reordered. A change before which and after which the job has not ended, as most are, changes no statistics.
"""

from printpipe.domain.lifecycles import ENDED_JOBS
from printpipe.domain.messages import JobEvent
from printpipe.services.context import Context
from printpipe.services.statistics import counting
from printpipe.services.store.effects import Effect


def handle(message: JobEvent, effect: Effect, context: Context) -> None:
    """Counts the job as it stands now; what was counted already changes nothing."""
    if message.job_id is not None and {message.status, message.former} & ENDED_JOBS:
        counting.count(context, message.job_id, effect)
