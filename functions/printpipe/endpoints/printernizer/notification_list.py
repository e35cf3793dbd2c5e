"""GET /api/v1/notifications: an organization's notification channels."""

from printpipe.dialects import printernizer
from printpipe.endpoints import printernizer_notification_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_notification_views import ChannelView
from printpipe.services.notifications import channels


class Arguments(printernizer.Model):
    """The query."""


class Listing(printernizer.Reply):
    """All of them, the newest first."""

    notifications: list[ChannelView]
    total_count: int


def get(call: Call, query: Arguments) -> Listing:
    """Every channel, with how it has done; an organization has 50 at the most."""
    shown = printernizer_notification_views.views(call.context, channels.listed(call.context))
    return Listing(notifications=shown, total_count=len(shown))
