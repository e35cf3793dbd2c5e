"""What an agent pulls its commands with: a token of its site's own account, which no key of an account is behind."""

from dataclasses import dataclass

from printpipe.domain.errors import Forbidden
from printpipe.domain.ports.credentials import AccessToken
from printpipe.domain.pubsub import Subscriptions
from printpipe.services.context import Context


@dataclass(frozen=True)
class Access:
    """The subscriptions of a site, and a token for them."""

    subscriptions: Subscriptions
    token: AccessToken


def pubsub(context: Context, recipient_id: str) -> Access | None:
    """Access to a site's subscriptions for an hour at most; None where the deployment has no Pub/Sub.

    Raises `NotFound` and `Forbidden` for a site that the caller may not act for or that has no agent of ours, and
    `Unavailable` where no token is to be had.
    """
    recipient = context.agents_site(recipient_id)
    if not recipient.has_agent:
        raise Forbidden("Only a site with our agent has subscriptions", field="recipientId")
    if context.policy.pubsub is None:
        return None
    token = context.platform.credentials.pubsub_token(recipient.id)
    return Access(Subscriptions.of(context.policy.pubsub, recipient.id), token)
