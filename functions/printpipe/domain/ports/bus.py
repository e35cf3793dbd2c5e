"""The message bus: topics with filtered subscriptions, at least once, in no order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Received:
    """A message that was handed out and waits for its acknowledgement; `attempt` counts from 1 where known, else 0."""

    message_id: str
    ack_id: str
    data: bytes
    attributes: Mapping[str, str]
    attempt: int
    published_at: datetime


class Bus(Protocol):
    """The bus. Every method raises `domain.errors.Unavailable` where the backend is out of reach."""

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """The message's id, once the bus has it."""

    def pull(self, subscription: str, limit: int, wait: float) -> Sequence[Received]:
        """Up to `limit` messages; waits at most `wait` seconds for the first."""

    def acknowledge(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Ends the delivery of these messages."""

    def release(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Gives these messages back, to be delivered again at once."""
