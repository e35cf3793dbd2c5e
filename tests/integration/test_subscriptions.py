"""The relay's Pub/Sub: filters hold, a dead client's pull takes no message along, losses are on demand."""

import base64
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
import requests

from local.faults import FaultPanel
from local.relay import RelayServer
from local.seeding import TOPIC, create_subscriptions, subscription
from local.subscriptions import wanted_attributes

pytestmark = pytest.mark.emulators


class Site:
    """A recipient's subscriptions behind a relay of our own."""

    def __init__(self, url: str, emulator: str, faults: FaultPanel) -> None:
        self.url, self.emulator, self.faults = url, emulator, faults
        self.project = f"demo-{secrets.token_hex(4)}"
        self.recipient = "site-1"
        create_subscriptions(emulator, self.project, self.recipient)

    def publish(self, recipient: str, lane: str, text: str) -> None:
        attributes = {"recipient": recipient, "lane": lane, "commandId": text}
        body = {"messages": [{"data": base64.b64encode(text.encode()).decode(), "attributes": attributes}]}
        url = f"http://{self.emulator}/v1/projects/{self.project}/topics/{TOPIC}:publish"
        requests.post(url, json=body, timeout=5).raise_for_status()

    def path(self, lane: str) -> str:
        return f"/v1/projects/{self.project}/subscriptions/{subscription(self.recipient, lane)}"

    def pull(self, lane: str, seconds: float = 2.0) -> list[str]:
        """The texts that come within that time, acknowledged."""
        texts: list[str] = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not texts:
            try:
                answer = requests.post(f"{self.url}{self.path(lane)}:pull", json={"maxMessages": 10}, timeout=left)
            except requests.Timeout:
                break
            received: list[Mapping[str, str]] = answer.json().get("receivedMessages", [])
            texts += [message["message"]["attributes"]["commandId"] for message in received]  # type: ignore[index]
            ids = [message["ackId"] for message in received]
            if ids:
                requests.post(f"{self.url}{self.path(lane)}:acknowledge", json={"ackIds": ids}, timeout=5)
        return texts


@contextmanager
def relay(emulator: str) -> Iterator[RelayServer]:
    server = RelayServer(0, "demo-p", "http://127.0.0.1:9", emulator, rows=())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.deliveries.close()


@pytest.fixture
def site(emulators: Mapping[str, str]) -> Iterator[Site]:
    with relay(emulators["pubsub"]) as server:
        yield Site(server.url, emulators["pubsub"], server.faults)


def test_a_subscription_brings_what_its_filter_says(site: Site) -> None:
    site.publish("site-1", "normal", "mine")
    site.publish("site-1", "priority", "urgent")
    site.publish("site-2", "normal", "other")
    assert site.pull("normal") == ["mine"]
    assert site.pull("priority") == ["urgent"]
    assert site.pull("normal", 0.5) == []


def test_messages_are_lost_on_demand(site: Site) -> None:
    site.faults.set(b'{"drop_messages": 1}')
    site.publish("site-1", "normal", "lost")
    assert site.pull("normal", 1.0) == []
    site.publish("site-1", "normal", "found")
    assert site.pull("normal") == ["found"]
    assert site.faults.now.drop_messages == 0


def test_a_client_that_dies_in_a_long_poll_takes_no_message_along(site: Site) -> None:
    host, _, port = site.url.removeprefix("http://").partition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), timeout=5) as client:
            body = b'{"maxMessages": 10}'
            head = f"POST {site.path('normal')}:pull HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(1)
    site.publish("site-1", "normal", "for the living")
    assert site.pull("normal", 5.0) == ["for the living"]


def test_an_emulator_out_of_reach_is_503() -> None:
    with relay("127.0.0.1:9") as server:
        answer = requests.post(f"{server.url}/v1/projects/p/subscriptions/s:pull", json={}, timeout=10)
    assert answer.status_code == 503


def test_a_filter_is_read_or_refused() -> None:
    assert wanted_attributes('attributes.recipient = "r-1" AND attributes.lane="normal"') == {
        "recipient": "r-1",
        "lane": "normal",
    }
    assert wanted_attributes("") == {}
    with pytest.raises(ValueError, match="cannot apply"):
        wanted_attributes('hasPrefix(attributes.recipient, "r")')
