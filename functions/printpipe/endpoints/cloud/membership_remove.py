"""DELETE /api/v1/memberships/{membershipId}: ends a membership."""

from printpipe.dialects import cloud
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import memberships


class Path(cloud.Model):
    """The membership, by its id."""

    membership_id: Id


class Removed(cloud.Reply, cloud_admin_views.MembershipView):
    """The membership as it was."""


def delete(call: Call, path: Path) -> Removed:
    """404 for one that has ended already."""
    ended = memberships.remove(call.context, path.membership_id)
    return Removed.model_validate(ended.model_dump())
