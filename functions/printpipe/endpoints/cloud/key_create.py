"""POST /api/v1/keys: a new API key, shown in this answer and never again."""

from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.scopes import GRANTABLE
from printpipe.domain.values import Id, Name
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import api_keys
from printpipe.services.access.api_keys import Wish

Grantable = Annotated[str, WithJsonSchema({"type": "string", "enum": GRANTABLE})]
"""A scope or a purpose; the service knows them, and refuses what no key may be given."""


class Request(cloud.Model):
    """The body: `scopes` takes scopes and purposes; without `recipientIds` the key is for the whole organization."""

    name: Name
    scopes: list[Grantable] = Field(min_length=1, max_length=50)
    recipient_ids: list[Id] | None = Field(None, min_length=1, max_length=50)
    organization_id: Id | None = None


class Created(cloud.Reply, cloud_admin_views.KeyView):
    """The new key."""

    STATUS: ClassVar[int] = 201

    key: str


def post(call: Call, body: Request, once: Once) -> Created:
    """403 for more than the caller may do itself, 409 for a third live key of a recipient's client."""
    issued = api_keys.create(call.context, body.organization_id, Wish(body.name, body.scopes, body.recipient_ids), once)
    return Created(key=issued.key, **cloud_admin_views.key(issued.record).model_dump())
