"""POST /api/v1/dead-letters/{deadLetterId}/replay: delivers a message again to the function that did not take it."""

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.endpoints import cloud_dead_letters
from printpipe.endpoints.call import Call
from printpipe.services import replays


class Replayed(cloud.Reply, cloud_dead_letters.DeadLetterView):
    """The dead letter, which comes back as dead where the function does not take it now either."""


def post(call: Call, path: cloud_dead_letters.Path, once: Once) -> Replayed:
    """409 for one that is not dead, or whose message was too large to be kept."""
    replayed = replays.replay(call.context, path.dead_letter_id, once)
    return Replayed.model_validate(cloud_dead_letters.view(replayed).model_dump())
