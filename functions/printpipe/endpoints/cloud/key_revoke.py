"""DELETE /api/v1/keys/{keyId}: ends an API key, everywhere within a minute."""

from printpipe.dialects import cloud
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.services.access import api_keys


class Path(cloud.Model):
    """The key, by its id."""

    key_id: Id


class Revoked(cloud.Reply, cloud_admin_views.KeyView):
    """The key as it ended."""


def delete(call: Call, path: Path) -> Revoked:
    """The same answer for one that has ended already."""
    ended = api_keys.revoke(call.context, path.key_id)
    return Revoked.model_validate(cloud_admin_views.key(ended).model_dump())
