"""The message bus on Pub/Sub: plain publishes, and unary pulls with a deadline."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient

from printpipe.adapters.google.reach import ONCE, UNREACHABLE, reach
from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.bus import Received

_SERVICE = "Pub/Sub"
_SHORTEST_PULL = 0.25
"""Seconds below which a pull may end before the service has looked."""

_PAUSE = 0.05
_PROBE = 2.0


class GoogleBus:
    """The bus in one project. An unknown topic or subscription raises `LookupError`."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._publisher: Any = pubsub_v1.PublisherClient()
        self._subscriber: Any = pubsub_v1.SubscriberClient()

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """The message's id, once Pub/Sub has it."""
        request = {
            "topic": f"projects/{self._project}/topics/{topic}",
            "messages": [{"data": data, "attributes": dict(attributes)}],
        }

        def attempt(timeout: float) -> Any:
            # The generated method behind the batching one: no thread, no wait for a batch to fill.
            return PublisherClient.publish(self._publisher, request=request, retry=ONCE, timeout=timeout)

        with _lookup(topic):
            return str(reach(_SERVICE, attempt).message_ids[0])

    def pull(self, subscription: str, limit: int, wait: float) -> Sequence[Received]:
        """Up to `limit` messages; waits at most `wait` seconds for the first."""
        request = {"subscription": self._name(subscription), "max_messages": limit}
        until = time.monotonic() + max(wait, _SHORTEST_PULL)
        with _lookup(subscription):
            try:
                # Pub/Sub may answer with nothing before the deadline.
                while not (answer := self._pull(request, until - time.monotonic())).received_messages:
                    time.sleep(_PAUSE)
            except exceptions.DeadlineExceeded:
                self._check_connection()
                return []
            except UNREACHABLE as error:
                raise Unavailable(f"{_SERVICE} does not answer") from error
        return [
            Received(
                received.message.message_id,
                received.ack_id,
                received.message.data,
                dict(received.message.attributes),
                received.delivery_attempt,
                received.message.publish_time.replace(tzinfo=UTC),
            )
            for received in answer.received_messages
        ]

    def acknowledge(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Ends the delivery of these messages."""
        if not ack_ids:
            return
        request = {"subscription": self._name(subscription), "ack_ids": list(ack_ids)}
        with _lookup(subscription):
            reach(
                _SERVICE,
                lambda timeout: self._subscriber.acknowledge(request=request, retry=ONCE, timeout=timeout),
            )

    def release(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Gives these messages back, to be delivered again at once."""
        if not ack_ids:
            return
        request = {"subscription": self._name(subscription), "ack_ids": list(ack_ids), "ack_deadline_seconds": 0}
        with _lookup(subscription):
            reach(
                _SERVICE,
                lambda timeout: self._subscriber.modify_ack_deadline(request=request, retry=ONCE, timeout=timeout),
            )

    def _pull(self, request: Mapping[str, Any], timeout: float) -> Any:
        if timeout <= 0:
            raise exceptions.DeadlineExceeded("the time for this pull is over")
        return self._subscriber.pull(request=request, retry=ONCE, timeout=timeout)

    def _name(self, subscription: str) -> str:
        return f"projects/{self._project}/subscriptions/{subscription}"

    def _check_connection(self) -> None:
        """Tells a quiet subscription from a service that takes the connection and never answers."""
        try:
            grpc.channel_ready_future(self._subscriber.transport.grpc_channel).result(timeout=_PROBE)
        except grpc.FutureTimeoutError as error:
            raise Unavailable(f"{_SERVICE} does not answer") from error


@contextmanager
def _lookup(name: str) -> Iterator[None]:
    try:
        yield
    except exceptions.NotFound as error:
        raise LookupError(f"no such topic or subscription: {name}") from error
    except exceptions.InvalidArgument as error:
        raise ValueError(error.message) from error
