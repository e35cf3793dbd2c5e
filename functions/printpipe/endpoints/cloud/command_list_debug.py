"""POST /debug/listPendingCommands: the commands that wait at a recipient, for people who look for a mistake."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.values import Id, Whole
from printpipe.endpoints import cloud_views
from printpipe.endpoints.call import Call
from printpipe.services.commands import commands


class Request(cloud.Model):
    """The body."""

    recipient_id: Id
    limit: Whole = Field(50, ge=1, le=100)


class Reply(cloud.Reply):
    """The newest first; `count` is how many are listed."""

    count: int
    commands: list[cloud_views.ListedCommand]


def post(call: Call, body: Request) -> Reply:
    """Lists also what our agent is to get, and what nobody took in time; nothing is written."""
    found = commands.newest_pending(call.context, body.recipient_id, body.limit)
    return Reply(count=len(found), commands=[cloud_views.command(each) for each in found])
