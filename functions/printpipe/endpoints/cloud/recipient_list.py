"""GET /api/v1/recipients: an organization's LAN sites."""

from printpipe.dialects import cloud
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import recipients


class Listing(cloud.Reply):
    """A page, the newest first."""

    recipients: list[cloud_admin_views.RecipientView]
    next_cursor: str | None


def get(call: Call, query: cloud_admin_views.OfOrganization) -> Listing:
    """The sites of the caller's organization, or of the one that the operator names."""
    page = recipients.find(call.context, query.organization_id, query.slice)
    return Listing(recipients=[cloud_admin_views.recipient(each) for each in page.items], next_cursor=page.next_cursor)
