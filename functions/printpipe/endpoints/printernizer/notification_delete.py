"""DELETE /api/v1/notifications/{notification_id}: takes a notification channel away."""

from printpipe.dialects import printernizer
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_notification_views import Path
from printpipe.services.notifications import channels


class Arguments(printernizer.Model):
    """The query."""


class Deleted(printernizer.Reply):
    """The channel was removed."""

    message: str = "Notification channel removed successfully"
    deleted_at: printernizer.Time


def delete(call: Call, path: Path, query: Arguments) -> Deleted:
    """Removes a channel; what is still to be sent over it is dropped."""
    channels.remove(call.context, path.notification_id)
    return Deleted(deleted_at=call.context.now())
