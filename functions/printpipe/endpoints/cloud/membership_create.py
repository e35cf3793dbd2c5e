"""POST /api/v1/memberships: a user may act in an organization."""

from typing import ClassVar, Literal

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.values import EmailAddress, Id, Name
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import memberships


class Request(cloud.Model):
    """The body; `userId` is the subject of the user's tokens."""

    user_id: Name
    role: Literal["viewer", "operator", "admin"]
    email: EmailAddress | None = None
    organization_id: Id | None = None


class Created(cloud.Reply, cloud_admin_views.MembershipView):
    """The new membership."""

    STATUS: ClassVar[int] = 201


def post(call: Call, body: Request, once: Once) -> Created:
    """403 for a role that may do more than the caller, 409 for a member."""
    made = memberships.create(call.context, body.organization_id, body.user_id, body.role, body.email, once)
    return Created.model_validate(made.model_dump())
