"""GET /api/v1/notifications/{notification_id}: a notification channel."""

from printpipe.dialects import printernizer
from printpipe.endpoints import printernizer_notification_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_notification_views import ChannelView, Path
from printpipe.services.notifications import channels


class Arguments(printernizer.Model):
    """The query."""


class Shown(printernizer.Reply, ChannelView):
    """The channel."""


def get(call: Call, path: Path, query: Arguments) -> Shown:
    """A channel of the organization, with how it has done; where it sends to is not told."""
    channel = channels.get(call.context, path.notification_id)
    [shown] = printernizer_notification_views.views(call.context, [channel])
    return Shown.model_validate(shown.model_dump())
