"""GET /api/v1/keys: an organization's API keys, without themselves."""

from printpipe.dialects import cloud
from printpipe.domain.values import OptionalId
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import api_keys


class Arguments(cloud_admin_views.OfOrganization):
    """The query; `recipientId` asks for the keys of one site."""

    recipient_id: OptionalId = None


class Listing(cloud.Reply):
    """A page, the newest first."""

    keys: list[cloud_admin_views.KeyView]
    next_cursor: str | None


def get(call: Call, query: Arguments) -> Listing:
    """The keys of the caller's organization, or of the one that the operator names."""
    page = api_keys.find(call.context, query.organization_id, query.recipient_id, query.slice)
    return Listing(keys=[cloud_admin_views.key(each) for each in page.items], next_cursor=page.next_cursor)
