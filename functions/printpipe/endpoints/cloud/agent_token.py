"""POST /api/agent/pubsub-token: a short-lived token with which a site's agent pulls its own subscriptions."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.values import Id
from printpipe.endpoints import cloud_agent_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_agent_views import SubscriptionsView
from printpipe.services.access import agent_tokens


class Request(cloud.Model):
    """The body."""

    recipient_id: Id


class AccessView(SubscriptionsView):
    """A site's subscriptions, and a bearer token that may pull these and do nothing else."""

    access_token: str
    expires_at: cloud.Time


class Given(cloud.Reply):
    """What there is of Pub/Sub for the site."""

    pubsub: AccessView | None = Field(description="null where commands come by GET /control alone")


def post(call: Call, body: Request) -> Given:
    """403 for a site without our agent, 503 where no token is to be had."""
    access = agent_tokens.pubsub(call.context, body.recipient_id)
    if access is None:
        return Given(pubsub=None)
    shown = cloud_agent_views.subscriptions(access.subscriptions)
    token = access.token
    return Given(pubsub=AccessView(**dict(shown), access_token=token.text, expires_at=token.expires_at))
