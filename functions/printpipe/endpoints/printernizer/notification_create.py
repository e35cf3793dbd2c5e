"""POST /api/v1/notifications: sets up a notification channel."""

from typing import ClassVar

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.ids import Once
from printpipe.domain.notifications import ChannelKind
from printpipe.domain.values import Name
from printpipe.endpoints import printernizer_notification_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_notification_fields import Address, ChannelFields
from printpipe.endpoints.printernizer_notification_views import ToldView
from printpipe.services.notifications import channels


class Request(ChannelFields):
    """The body."""

    name: Name
    kind: ChannelKind
    address: Address
    urgent_anyway: bool | None = Field(None, description="true where it is not said")
    picture: bool | None = Field(None, description="true where it is not said")
    active: bool | None = Field(None, description="true where it is not said")


class Created(printernizer.Reply, ToldView):
    """The new channel; a webhook's secret is shown here and never again."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> Created:
    """Sets up a channel. 422 for an address that nothing is sent to, 409 where the organization has 50 already.

    A webhook is sent a POST with JSON, signed in `PrintPipe-Signature`: `v1=` and the HMAC-SHA256, in hex, over the
    text of `PrintPipe-Timestamp`, a full stop and the body.
    """
    told = channels.create(call.context, body.kind, body.wish(body.address, body.name), once)
    return Created.model_validate(printernizer_notification_views.told(call.context, told).model_dump())
