"""Where an agent finds its commands, in the dialect `cloud`."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.pubsub import Subscriptions


class SubscriptionsView(cloud.Part):
    """A site's two subscriptions."""

    project: str
    subscription_normal: str
    subscription_priority: str
    endpoint: str | None = Field(description="where Pub/Sub is, if that is not Google's")


def subscriptions(found: Subscriptions) -> SubscriptionsView:
    """A site's subscriptions as they are shown."""
    return SubscriptionsView(
        project=found.project,
        subscription_normal=found.normal,
        subscription_priority=found.priority,
        endpoint=found.endpoint,
    )
