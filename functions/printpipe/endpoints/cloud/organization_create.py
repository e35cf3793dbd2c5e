"""POST /api/v1/organizations: a new tenant, made by the operator."""

from typing import ClassVar

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.values import Name, NewOrganizationId, TimeZone
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_admin_views import OrganizationView
from printpipe.services.access import organizations


class Request(cloud.Model):
    """The body; without an id a random one is given. One that is chosen holds no `_`."""

    name: Name
    organization_id: NewOrganizationId | None = None
    time_zone: TimeZone | None = Field(None, description="in which its days begin; UTC where nothing is said")


class Created(cloud.Reply, OrganizationView):
    """The new organization."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> Created:
    """409 where the id is taken."""
    made = organizations.create(call.context, body.name, body.organization_id, once, time_zone=body.time_zone)
    return Created.model_validate(cloud_admin_views.organization(made).model_dump())
