"""The message bus inside one process."""

import itertools
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from printpipe.domain.ports.bus import Received

MAX_KEPT = 10_000
"""Messages a subscription keeps unacknowledged; beyond that the oldest is dropped, as old ones are by Pub/Sub."""

_CONDITION = re.compile(r'\s*attributes\.([A-Za-z0-9_-]+)\s*(!?=)\s*"([^"\\]*)"\s*')


@dataclass
class _Message:
    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime
    attempt: int = 0
    ack_id: str = ""
    visible_at: float = 0.0


@dataclass
class _Subscription:
    topic: str
    conditions: Sequence[tuple[str, bool, str]]
    ack_deadline: float
    messages: OrderedDict[str, _Message] = field(default_factory=OrderedDict)

    def wants(self, attributes: Mapping[str, str]) -> bool:
        return all((attributes.get(name) == value) is equal for name, equal, value in self.conditions)


class EmbeddedBus:
    """Topics and subscriptions in memory. An unknown topic or subscription raises `LookupError`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._topics: set[str] = set()
        self._subscriptions: dict[str, _Subscription] = {}
        self._ids = itertools.count(1)

    def create_topic(self, name: str) -> None:
        """Creates the topic unless it is there."""
        with self._changed:
            self._topics.add(name)

    def create_subscription(self, name: str, topic: str, filter: str = "", *, ack_deadline: float = 10.0) -> None:
        """Creates the subscription unless it is there; it gets what is published from now on.

        `filter` is Pub/Sub's syntax as far as `attributes.x = "y"` and `!=`, joined by AND; `ack_deadline` is in
        seconds.
        """
        conditions = _parse_filter(filter)
        with self._changed:
            if topic not in self._topics:
                raise LookupError(f"no such topic: {topic}")
            self._subscriptions.setdefault(name, _Subscription(topic, conditions, ack_deadline))

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """The message's id."""
        with self._changed:
            if topic not in self._topics:
                raise LookupError(f"no such topic: {topic}")
            message_id, now = str(next(self._ids)), datetime.now(UTC)
            for subscription in self._subscriptions.values():
                if subscription.topic == topic and subscription.wants(attributes):
                    subscription.messages[message_id] = _Message(message_id, bytes(data), dict(attributes), now)
                    if len(subscription.messages) > MAX_KEPT:
                        subscription.messages.popitem(last=False)
            self._changed.notify_all()
        return message_id

    def held(self, subscription: str) -> int:
        """How many messages of a subscription are not acknowledged."""
        with self._changed:
            return len(self._subscription(subscription).messages)

    def pull(self, subscription: str, limit: int, wait: float) -> Sequence[Received]:
        """Up to `limit` messages; waits at most `wait` seconds for the first."""
        until = time.monotonic() + wait
        with self._changed:
            while True:
                source = self._subscription(subscription)
                now = time.monotonic()
                ready = [message for message in source.messages.values() if message.visible_at <= now][:limit]
                if ready or now >= until:
                    return [_hand_out(message, now + source.ack_deadline) for message in ready]
                due = min((message.visible_at for message in source.messages.values()), default=until)
                self._changed.wait(min(due, until) - now)

    def acknowledge(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Ends the delivery of these messages; an acknowledgement of an earlier delivery is ignored."""
        with self._changed:
            for message in self._delivered(subscription, ack_ids):
                del self._subscription(subscription).messages[message.message_id]

    def release(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Gives these messages back, to be delivered again at once."""
        with self._changed:
            for message in self._delivered(subscription, ack_ids):
                message.visible_at = 0.0
            self._changed.notify_all()

    def _subscription(self, name: str) -> _Subscription:
        try:
            return self._subscriptions[name]
        except KeyError:
            raise LookupError(f"no such subscription: {name}") from None

    def _delivered(self, subscription: str, ack_ids: Sequence[str]) -> list[_Message]:
        wanted = set(ack_ids)
        return [message for message in self._subscription(subscription).messages.values() if message.ack_id in wanted]


def _hand_out(message: _Message, until: float) -> Received:
    message.attempt += 1
    message.ack_id = f"{message.message_id}-{secrets.token_hex(4)}"
    message.visible_at = until
    return Received(
        message.message_id, message.ack_id, message.data, message.attributes, message.attempt, message.published_at
    )


def _parse_filter(text: str) -> list[tuple[str, bool, str]]:
    conditions = []
    for part in text.split(" AND ") if text.strip() else []:
        found = _CONDITION.fullmatch(part)
        if found is None:
            raise ValueError(f"not a filter that this bus knows: {part!r}")
        conditions.append((found[1], found[2] == "=", found[3]))
    return conditions
