"""What Pub/Sub does for the functions that follow a topic: a subscription each, five attempts, then a dead letter."""

import base64
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from local.deliveries import Deliveries, Event
from local.json_log import emit
from local.subscriptions import wanted_attributes
from printpipe.domain.errors import Unavailable
from printpipe.domain.messages import DEAD_LETTERS
from printpipe.domain.ports.bus import Bus, Received
from printpipe.runtime import catalog

EVENT_TYPE = "google.cloud.pubsub.topic.v1.messagePublished"
ATTEMPTS = 5
"""After which a message becomes a dead letter, as the subscriptions' policy says."""

MOST_UNDER_WAY = 200
"""Messages of one subscription that wait for their function."""

_PULL_SECONDS = 20.0
_PAUSE_SECONDS = 0.5
_SOURCE = "CloudPubSubDeadLetterSource"


def posted_event(
    function: str, project: str, topic: str, data: bytes, attributes: Mapping[str, str], message_id: str, at: datetime
) -> Event:
    """The event by which Eventarc delivers a message to a function."""
    moment = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    body = {
        "message": {
            "data": base64.b64encode(data).decode("ascii"),
            "attributes": dict(attributes),
            "messageId": message_id,
            "publishTime": moment,
        },
        "subscription": f"projects/{project}/subscriptions/{function}",
    }
    return Event(
        function=function,
        id=message_id,
        type=EVENT_TYPE,
        source=f"//pubsub.googleapis.com/projects/{project}/topics/{topic}",
        time=moment,
        document=None,
        content_type="application/json",
        body=json.dumps(body).encode(),
    )


def followers(rows: Iterable[catalog.Row]) -> list[catalog.Row]:
    """The rows that follow a topic."""
    return [row for row in rows if row.trigger and row.trigger.topic]


class Subscription:
    """One function's subscription, carried from the bus to the deliveries by a thread of its own."""

    def __init__(self, row: catalog.Row, bus: Bus, deliveries: Deliveries, project: str) -> None:
        assert row.trigger is not None
        assert row.trigger.topic is not None
        self._function, self._topic = row.name, row.trigger.topic
        self._wanted = wanted_attributes(row.trigger.filter)
        self._bus, self._deliveries, self._project = bus, deliveries, project
        self._room = threading.Condition()
        self._under_way = 0
        self._closed = False

    def start(self) -> None:
        """Begins."""
        threading.Thread(target=self._run, name=f"subscription-{self._function}", daemon=True).start()

    def close(self) -> None:
        """Pulls no more."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def _run(self) -> None:
        while room := self._wait_for_room():
            try:
                for message in self._bus.pull(self._function, room, _PULL_SECONDS):
                    self._offer(message)
            except Unavailable:
                emit("subscription_unreachable", "WARNING", function=self._function)
                threading.Event().wait(_PAUSE_SECONDS)

    def _wait_for_room(self) -> int:
        """How many messages may be pulled; 0 when it was closed."""
        with self._room:
            self._room.wait_for(lambda: self._closed or self._under_way < MOST_UNDER_WAY)
            return 0 if self._closed else MOST_UNDER_WAY - self._under_way

    def _offer(self, message: Received) -> None:
        if any(message.attributes.get(name) != value for name, value in self._wanted.items()):
            self._bus.acknowledge(self._function, [message.ack_id])  # the emulator keeps filters and ignores them
            return
        with self._room:
            self._under_way += 1
        event = posted_event(
            self._function,
            self._project,
            self._topic,
            message.data,
            message.attributes,
            message.message_id,
            message.published_at,
        )
        attempts = None if self._topic == DEAD_LETTERS else ATTEMPTS
        self._deliveries.offer(event, attempts=attempts, settled=self._settled(message))

    def _settled(self, message: Received) -> Callable[[bool], None]:
        def settle(taken: bool) -> None:
            try:
                if not taken:
                    self._bury(message)
                self._bus.acknowledge(self._function, [message.ack_id])
            except Unavailable:
                emit("acknowledgement_lost", "WARNING", function=self._function)
            finally:
                with self._room:
                    self._under_way -= 1
                    self._room.notify_all()

        return settle

    def _bury(self, message: Received) -> None:
        """Hands a message on that its function did not take, with the attributes that Pub/Sub adds."""
        added = {
            f"{_SOURCE}Subscription": self._function,
            f"{_SOURCE}SubscriptionProject": self._project,
            f"{_SOURCE}DeliveryCount": str(ATTEMPTS),
            f"{_SOURCE}TopicPublishTime": message.published_at.astimezone(UTC).isoformat(),
        }
        self._bus.publish(DEAD_LETTERS, message.data, {**message.attributes, **added})
