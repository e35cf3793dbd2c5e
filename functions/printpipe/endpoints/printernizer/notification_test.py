"""POST /api/v1/notifications/{notification_id}/test: sends a test over a notification channel."""

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_notification_views import Path
from printpipe.services.notifications import channels, trials


class Arguments(printernizer.Model):
    """The query."""


class Tried(printernizer.Reply):
    """What came of it."""

    success: bool
    status: int | None = Field(description="the receiver's HTTP status, where it answered")
    error: str | None = Field(description="what went wrong")


def post(call: Call, path: Path, query: Arguments) -> Tried:
    """Sends something now, whether the channel is active or not, and tells whether it arrived.

    429 for more than ten in five minutes, over all of the organization's channels.
    """
    outcome = trials.send_test(call.context, channels.get(call.context, path.notification_id))
    return Tried(success=outcome.ok, status=outcome.status, error=outcome.error)
