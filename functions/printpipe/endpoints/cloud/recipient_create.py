"""POST /api/v1/recipients: a new LAN site of an organization."""

from typing import ClassVar, Literal

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.values import Id, Name, NewId
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import recipients


class Request(cloud.Model):
    """The body; the operator names the organization. Without an id a random one is given."""

    name: Name
    client: Literal["lan_client", "agent"] = "lan_client"
    organization_id: Id | None = None
    recipient_id: NewId | None = None


class Created(cloud.Reply, cloud_admin_views.RecipientView):
    """The new site."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> Created:
    """409 where the id is taken."""
    made = recipients.create(call.context, body.organization_id, body.recipient_id, body.name, body.client, once)
    return Created.model_validate(cloud_admin_views.recipient(made).model_dump())
