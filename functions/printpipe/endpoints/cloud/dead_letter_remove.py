"""DELETE /api/v1/dead-letters/{deadLetterId}: forgets a message that a function did not take."""

from printpipe.dialects import cloud
from printpipe.endpoints import cloud_dead_letters
from printpipe.endpoints.call import Call
from printpipe.services import replays


class Removed(cloud.Reply, cloud_dead_letters.DeadLetterView):
    """The dead letter as it was."""


def delete(call: Call, path: cloud_dead_letters.Path) -> Removed:
    """404 for one that was removed already."""
    removed = replays.remove(call.context, path.dead_letter_id)
    return Removed.model_validate(cloud_dead_letters.view(removed).model_dump())
