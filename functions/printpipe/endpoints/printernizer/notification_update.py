"""PUT /api/v1/notifications/{notification_id}: changes a notification channel."""

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.values import Name
from printpipe.endpoints import printernizer_notification_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_notification_fields import Address, ChannelFields
from printpipe.endpoints.printernizer_notification_views import Path, ToldView
from printpipe.services.notifications import channels


class Arguments(printernizer.Model):
    """The query."""


class Request(ChannelFields):
    """The body: what is left out stays as it is; its kind stays anyway."""

    name: Name | None = Field(None, description="null leaves it as it is")
    address: Address | None = Field(None, description="null leaves it as it is")
    rotate_secret: bool = Field(False, description="a webhook gets a new secret, and the old one is good no more")


class Changed(printernizer.Reply, ToldView):
    """The channel as it is now; a new secret is shown here and never again."""


def put(call: Call, path: Path, query: Arguments, body: Request) -> Changed:
    """Changes what is given; a channel that is switched on again begins without failures."""
    wish = body.wish(body.address, body.name, rotated=body.rotate_secret)
    told = channels.change(call.context, path.notification_id, wish)
    return Changed.model_validate(printernizer_notification_views.told(call.context, told).model_dump())
