"""GET /api/v1/organizations: the operator sees all, others their own."""

from printpipe.dialects import cloud
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_admin_views import OfOrganization, OrganizationView
from printpipe.services.access import organizations


class Listing(cloud.Reply):
    """A page, the newest first."""

    organizations: list[OrganizationView]
    next_cursor: str | None


def get(call: Call, query: OfOrganization) -> Listing:
    """All that the caller administers, or the one that is named."""
    page = organizations.find(call.context, query.organization_id, query.slice)
    return Listing(
        organizations=[cloud_admin_views.organization(each) for each in page.items],
        next_cursor=page.next_cursor,
    )
