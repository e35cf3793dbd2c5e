"""A topic's messages reach the functions that follow it; what five attempts did not take becomes a dead letter."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from local.faults import FaultPanel
from local.messages import ATTEMPTS, Subscription
from printpipe.adapters.embedded.bus import EmbeddedBus
from printpipe.domain.messages import DEAD_LETTERS
from printpipe.runtime import catalog
from tests.unit.local.functions import SIZE, Functions, delivering, serving, until

TOPIC, FOLLOWER = "job-events", "trigger-teapot-filled"


@pytest.fixture
def functions() -> Iterator[Functions]:
    """A server in place of the gateway."""
    with serving() as server:
        yield server


@pytest.fixture
def bus() -> EmbeddedBus:
    """A bus with the follower's subscription, and somebody who watches the dead letters."""
    made = EmbeddedBus()
    made.create_topic(TOPIC)
    made.create_topic(DEAD_LETTERS)
    made.create_subscription(FOLLOWER, TOPIC, ack_deadline=600)
    made.create_subscription("watch", DEAD_LETTERS)
    return made


def follower(filter: str = "") -> catalog.Row:
    trigger = {"topic": TOPIC, "filter": filter}
    return catalog.Row.model_validate({"name": FOLLOWER, "trigger": trigger, "uses": ["documents"], **SIZE})


def messages(functions: Functions) -> list[Mapping[str, Any]]:
    return [json.loads(json.dumps(event.get_data()))["message"] for path, event in functions.taken]


def test_a_message_is_delivered_with_its_attributes_and_acknowledged(functions: Functions, bus: EmbeddedBus) -> None:
    with delivering(functions) as deliveries:
        subscription = Subscription(follower(), bus, deliveries, "demo")
        subscription.start()
        bus.publish(TOPIC, b"tea", {"type": "green"})
        until(lambda: len(functions.taken) == 1 and not deliveries.busy(FOLLOWER))
        subscription.close()
    path, event = functions.taken[0]
    assert path == f"/{FOLLOWER}"
    assert event["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    (message,) = messages(functions)
    assert base64.b64decode(message["data"]) == b"tea"
    assert message["attributes"] == {"type": "green"}
    until(lambda: not bus.held(FOLLOWER))


def test_messages_that_the_filter_leaves_out_are_never_delivered(functions: Functions, bus: EmbeddedBus) -> None:
    with delivering(functions) as deliveries:
        subscription = Subscription(follower('attributes.type = "green"'), bus, deliveries, "demo")
        subscription.start()
        bus.publish(TOPIC, b"1", {"type": "black"})
        bus.publish(TOPIC, b"2", {"type": "green"})
        until(lambda: not bus.held(FOLLOWER))
        subscription.close()
    assert [message["attributes"]["type"] for message in messages(functions)] == ["green"]


def test_what_five_attempts_did_not_take_becomes_a_dead_letter_and_blocks_nobody(
    functions: Functions, bus: EmbeddedBus
) -> None:
    functions.poison = b"tea with salt"
    with delivering(functions) as deliveries:
        subscription = Subscription(follower(), bus, deliveries, "demo")
        subscription.start()
        bus.publish(TOPIC, b"tea with salt", {"type": "green"})
        bus.publish(TOPIC, b"tea", {"type": "green"})
        until(lambda: b"tea" in [base64.b64decode(message["data"]) for message in messages(functions)])
        (dead,) = bus.pull("watch", 10, 30)
        until(lambda: not bus.held(FOLLOWER))
        subscription.close()
    assert dead.data == b"tea with salt"
    assert dead.attributes["type"] == "green"
    assert dead.attributes["CloudPubSubDeadLetterSourceSubscription"] == FOLLOWER
    tried = [base64.b64decode(message["data"]) for message in messages(functions)].count(b"tea with salt")
    assert tried == ATTEMPTS


def test_attempts_without_a_server_do_not_count(bus: EmbeddedBus) -> None:
    with serving() as gone:
        pass
    with delivering(gone) as deliveries:
        subscription = Subscription(follower(), bus, deliveries, "demo")
        subscription.start()
        bus.publish(TOPIC, b"tea", {})
        assert not bus.pull("watch", 1, 1.5)
        assert deliveries.busy(FOLLOWER)
        subscription.close()


def test_repeated_shuffled_and_failing_deliveries_are_acknowledged_once(functions: Functions, bus: EmbeddedBus) -> None:
    faults = FaultPanel()
    faults.set(b'{"duplicates": 2, "shuffle": 0.2, "fail_first": 0.5}')
    with delivering(functions, faults) as deliveries:
        subscription = Subscription(follower(), bus, deliveries, "demo")
        subscription.start()
        for number in range(10):
            bus.publish(TOPIC, b"%d" % number, {})
        until(lambda: not bus.held(FOLLOWER))
        subscription.close()
    taken = [base64.b64decode(message["data"]) for message in messages(functions)]
    assert sorted(taken) == sorted([b"%d" % number for number in range(10)] * 3)
    assert taken != sorted(taken)
