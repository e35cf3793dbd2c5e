"""Where an agent finds its commands in Pub/Sub, and as whom it pulls them."""

import hashlib
from dataclasses import dataclass

from printpipe.domain.commands import Lane
from printpipe.domain.messages import CommandMessage

_ACCOUNT_DIGITS = 27


@dataclass(frozen=True)
class PubSub:
    """The deployment's Pub/Sub: its project, and its address where it is not Google's."""

    project: str
    endpoint: str | None = None


@dataclass(frozen=True)
class Subscriptions:
    """The two subscriptions of a recipient, one for each lane."""

    project: str
    normal: str
    priority: str
    endpoint: str | None = None

    @staticmethod
    def of(pubsub: PubSub, recipient_id: str) -> "Subscriptions":
        """A recipient's, by its id alone."""
        return Subscriptions(
            pubsub.project,
            subscription(recipient_id, "normal"),
            subscription(recipient_id, "priority"),
            pubsub.endpoint,
        )


def subscription(recipient_id: str, lane: Lane) -> str:
    """The name of a recipient's subscription."""
    return f"{CommandMessage.TOPIC}-{recipient_id}-{lane}"


def service_account(recipient_id: str) -> str:
    """The id of a recipient's own service account, which may pull its two subscriptions and nothing else.

    `pp-` and the first 27 hexadecimal digits of the SHA-256 of the recipient's id: 30 characters, as many as an
    account's id may have. In Terraform: `"pp-${substr(sha256(recipient_id), 0, 27)}"`. The account needs
    `roles/pubsub.subscriber` on both subscriptions, and the function `cloud-agent-token`
    `roles/iam.serviceAccountTokenCreator` on the account.
    """
    return f"pp-{hashlib.sha256(recipient_id.encode()).hexdigest()[:_ACCOUNT_DIGITS]}"
