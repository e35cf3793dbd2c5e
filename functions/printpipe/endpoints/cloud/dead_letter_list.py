"""GET /api/v1/dead-letters: messages that functions did not take, and why."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.dead_letters import Status
from printpipe.domain.values import Id, OptionalId
from printpipe.endpoints import cloud_dead_letters
from printpipe.endpoints.call import Call
from printpipe.services import replays
from printpipe.services.store.paging import Slice

DEFAULT_LIMIT = 20
MAX_LIMIT = 50
"""A message may have half a megabyte."""


class Arguments(cloud.Model):
    """The query; without `status` the dead and the replayed ones. The operator sees those of every organization."""

    organization_id: OptionalId = None
    function: Id | None = None
    status: Status | None = None
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(None, max_length=512)


class Listing(cloud.Reply):
    """A page, those first that failed last for the first time."""

    dead_letters: list[cloud_dead_letters.DeadLetterView]
    next_cursor: str | None


def get(call: Call, query: Arguments) -> Listing:
    """The dead letters of the caller's organization, or of the one that the operator names."""
    wanted = Slice(query.limit, query.cursor or None)
    page = replays.find(call.context, query.organization_id, query.function, query.status, wanted)
    return Listing(dead_letters=[cloud_dead_letters.view(each) for each in page.items], next_cursor=page.next_cursor)
