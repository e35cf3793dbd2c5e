"""GET /api/v1/memberships: an organization's members."""

from printpipe.dialects import cloud
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import memberships


class Listing(cloud.Reply):
    """A page, the newest first."""

    memberships: list[cloud_admin_views.MembershipView]
    next_cursor: str | None


def get(call: Call, query: cloud_admin_views.OfOrganization) -> Listing:
    """The members of the caller's organization, or of the one that the operator names."""
    page = memberships.find(call.context, query.organization_id, query.slice)
    return Listing(
        memberships=[cloud_admin_views.membership(each) for each in page.items], next_cursor=page.next_cursor
    )
