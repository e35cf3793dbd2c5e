"""The bus port: the same behaviour inside the process and on Pub/Sub."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from printpipe.domain.ports.bus import Bus, Received
from tests.backends import Backend

TOPIC = "printer-commands"
NORMAL = "printer-commands-site-1-normal"


@pytest.fixture
def bus(backend: Backend) -> Bus:
    backend.create_topic(TOPIC)
    backend.create_subscription(NORMAL, TOPIC)
    return backend.bus


def pull_all(bus: Bus, subscription: str, expected: int, wait: float = 5.0) -> list[Received]:
    """Pulls until so many messages came."""
    until = time.monotonic() + wait
    received: list[Received] = []
    while len(received) < expected and time.monotonic() < until:
        received += bus.pull(subscription, 10, 1.0)
    return received


def test_a_message_comes_as_it_was_published(bus: Bus) -> None:
    attributes = {"recipient": "site-1", "printer": "", "type": "start_print"}
    message_id = bus.publish(TOPIC, b'{"n": 1}\x00\xff', attributes)

    (message,) = pull_all(bus, NORMAL, 1)

    assert (message.message_id, message.data, dict(message.attributes)) == (message_id, b'{"n": 1}\x00\xff', attributes)


def test_every_subscription_gets_its_own(bus: Bus, backend: Backend) -> None:
    backend.create_subscription("copy", TOPIC)
    backend.create_topic("other-topic")
    backend.create_subscription("other", "other-topic")
    bus.publish(TOPIC, b"1", {})

    assert [message.data for message in pull_all(bus, NORMAL, 1)] == [b"1"]
    assert [message.data for message in pull_all(bus, "copy", 1)] == [b"1"]
    assert bus.pull("other", 10, 0.3) == []


def test_what_is_acknowledged_does_not_come_again(bus: Bus) -> None:
    for number in range(3):
        bus.publish(TOPIC, str(number).encode(), {})
    received = pull_all(bus, NORMAL, 3)
    assert sorted(message.data for message in received) == [b"0", b"1", b"2"]

    bus.acknowledge(NORMAL, [message.ack_id for message in received if message.data != b"1"])
    bus.release(NORMAL, [message.ack_id for message in received if message.data == b"1"])
    (again,) = pull_all(bus, NORMAL, 1)
    assert again.data == b"1"
    bus.acknowledge(NORMAL, [again.ack_id])

    assert bus.pull(NORMAL, 10, 0.3) == []
    bus.acknowledge(NORMAL, [])
    bus.release(NORMAL, [])


def test_what_is_released_comes_again_at_once(bus: Bus) -> None:
    bus.publish(TOPIC, b"1", {})
    (message,) = pull_all(bus, NORMAL, 1)
    assert bus.pull(NORMAL, 10, 0.3) == []

    bus.release(NORMAL, [message.ack_id])

    started = time.monotonic()
    (again,) = pull_all(bus, NORMAL, 1)
    assert again.message_id == message.message_id
    assert time.monotonic() - started < 3


def test_a_pull_waits_for_the_first_message(bus: Bus) -> None:
    with ThreadPoolExecutor(1) as pool:
        pulling = pool.submit(bus.pull, NORMAL, 10, 5.0)
        assert not pulling.done()
        bus.publish(TOPIC, b"1", {})
        (message,) = pulling.result(timeout=5)

    assert message.data == b"1"


def test_a_pull_ends_in_time(bus: Bus) -> None:
    started = time.monotonic()

    assert bus.pull(NORMAL, 10, 0.5) == []

    assert 0.3 < time.monotonic() - started < 3


def test_a_pull_keeps_to_its_limit(bus: Bus) -> None:
    for number in range(5):
        bus.publish(TOPIC, str(number).encode(), {})

    first = bus.pull(NORMAL, 2, 5.0)
    assert 1 <= len(first) <= 2
    rest = pull_all(bus, NORMAL, 5 - len(first))
    assert sorted(message.data for message in [*first, *rest]) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("call", ["publish", "pull", "acknowledge", "release"])
def test_an_unknown_name_is_told(bus: Bus, call: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "publish": (b"", {"a": "b"}),
        "pull": (1, 0.5),
        "acknowledge": (["x"],),
        "release": (["x"],),
    }
    with pytest.raises(LookupError):
        getattr(bus, call)("no-such-name", *arguments[call])


def test_many_publish_and_pull_at_once(bus: Bus) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: bus.publish(TOPIC, str(n).encode(), {}), range(64)))

        def drain(_: int) -> list[bytes]:
            found = []
            while received := bus.pull(NORMAL, 10, 0.5):
                bus.acknowledge(NORMAL, [message.ack_id for message in received])
                found += [message.data for message in received]
            return found

        drained = [data for part in pool.map(drain, range(4)) for data in part]

    assert sorted(drained, key=int) == [str(n).encode() for n in range(64)]


# Google's emulator stores a filter but does not enforce it, and has no ack deadline below ten seconds: these two hold
# the embedded bus alone to what Pub/Sub promises.


def test_a_filter_lets_its_own_through(embedded_backend: Backend) -> None:
    bus = embedded_backend.bus
    embedded_backend.create_topic(TOPIC)
    embedded_backend.create_subscription("one", TOPIC, 'attributes.recipient = "site-1" AND attributes.lane = "normal"')
    embedded_backend.create_subscription("not", TOPIC, 'attributes.recipient != "site-1"')
    for recipient, lane in (("site-1", "normal"), ("site-1", "priority"), ("site-2", "normal")):
        bus.publish(TOPIC, f"{recipient} {lane}".encode(), {"recipient": recipient, "lane": lane})
    bus.publish(TOPIC, b"bare", {})

    assert [message.data for message in bus.pull("one", 10, 0)] == [b"site-1 normal"]
    assert [message.data for message in bus.pull("not", 10, 0)] == [b"site-2 normal", b"bare"]
    with pytest.raises(ValueError):
        embedded_backend.create_subscription("bad", TOPIC, "attributes:recipient OR true")


def test_what_is_not_acknowledged_comes_again(embedded_backend: Backend) -> None:
    bus = embedded_backend.bus
    embedded_backend.create_topic(TOPIC)
    embedded_backend.create_subscription("short", TOPIC, ack_deadline=0.2)
    bus.publish(TOPIC, b"1", {})
    (first,) = bus.pull("short", 10, 0)

    (second,) = bus.pull("short", 10, 5.0)

    assert (first.attempt, second.attempt) == (1, 2)
    assert second.message_id == first.message_id
    bus.acknowledge("short", [first.ack_id])
    (third,) = bus.pull("short", 10, 5.0)
    assert third.attempt == 3
