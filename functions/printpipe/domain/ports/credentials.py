"""Short-lived credentials for what an agent reaches by itself."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class AccessToken:
    """A bearer token, and when it ends."""

    text: str = field(repr=False)
    expires_at: datetime


class Credentials(Protocol):
    """Who gives credentials of a recipient's own account."""

    def pubsub_token(self, recipient_id: str) -> AccessToken:
        """A token of at most an hour for Pub/Sub, as the recipient's account.

        Raises `domain.errors.Unavailable` where none is to be had: within 8 s where the backend is out of reach.
        """
