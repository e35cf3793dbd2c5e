"""Pub/Sub's subscriptions as production keeps them, in front of an emulator that stores filters and ignores them.

An agent's REST calls pass through; of what a pull brings, messages that the subscription's filter excludes are
acknowledged here and never seen by the agent, and so are those that a test wants to be lost.

The emulator hands messages to a long poll whose client has gone, and has them again only when their deadline has
passed. So a pull that its client left is kept here, and the next client of the subscription takes it over.
"""

import functools
import http.client
import json
import re
import select
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.faults import FaultPanel
from local.json_log import emit

LONGEST_PULL = 95.0
"""Seconds; the emulator answers an idle pull after 89."""

_TERM = re.compile(r'attributes\.(\w+)\s*=\s*"([^"]*)"')


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the emulator."""

    status: int
    body: bytes


def wanted_attributes(filter_text: str) -> Mapping[str, str]:
    """What the filter demands: `attributes.a = "x" AND attributes.b = "y"`. Raises ValueError for any other form."""
    if not filter_text:
        return {}
    terms = [_TERM.fullmatch(term.strip()) for term in filter_text.split(" AND ")]
    if not all(terms):
        raise ValueError(f"cannot apply the filter {filter_text!r}")
    return {term[1]: term[2] for term in terms if term}


class Subscriptions:
    """Passes an agent's calls on to the emulator at `host:port`."""

    def __init__(self, emulator: str, faults: FaultPanel) -> None:
        self._emulator = emulator
        self._faults = faults
        self._lock = threading.Lock()
        self._left: dict[str, list[http.client.HTTPConnection]] = {}
        self._filter = functools.lru_cache(maxsize=1024)(self._read_filter)

    def call(self, path: str, body: bytes, client: socket.socket) -> Answer | None:
        """The answer to a POST, or None when the client went away before there was one.

        Raises OSError where the emulator is out of reach.
        """
        if not path.endswith(":pull"):
            return self._post(path, body)
        subscription = path.removesuffix(":pull")
        while True:
            answer = self._pull(path, body, client)
            if answer is None or answer.status != 200:
                return answer
            received = json.loads(answer.body or b"{}").get("receivedMessages", [])
            kept = [message for message in received if self._keeps(subscription, message["message"])]
            if lost := [message["ackId"] for message in received if message not in kept]:
                self._post(f"{subscription}:acknowledge", json.dumps({"ackIds": lost}).encode())
            if kept and _has_left(client):
                returned = {"ackIds": [message["ackId"] for message in kept], "ackDeadlineSeconds": 0}
                self._post(f"{subscription}:modifyAckDeadline", json.dumps(returned).encode())
                return None
            if kept or not received:
                return Answer(200, json.dumps({"receivedMessages": kept} if kept else {}).encode())

    def _keeps(self, subscription: str, message: Mapping[str, Any]) -> bool:
        attributes = message.get("attributes", {})
        if any(attributes.get(name) != value for name, value in self._filter(subscription).items()):
            return False
        if self._faults.take_dropped_message():
            emit("message_dropped", messageId=message.get("messageId"), commandId=attributes.get("commandId"))
            return False
        return True

    def _read_filter(self, subscription: str) -> Mapping[str, str]:
        connection = http.client.HTTPConnection(self._emulator, timeout=5)
        try:
            connection.request("GET", subscription)
            return wanted_attributes(json.loads(connection.getresponse().read()).get("filter", ""))
        finally:
            connection.close()

    def _post(self, path: str, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._emulator, timeout=10)
        try:
            return _exchange(connection, path, body)
        finally:
            connection.close()

    def _pull(self, path: str, body: bytes, client: socket.socket) -> Answer | None:
        """The emulator's answer to a pull, or None when the client went away first."""
        connection = self._take_over(path)
        if connection is None:
            connection = http.client.HTTPConnection(self._emulator, timeout=LONGEST_PULL)
            connection.request("POST", path, body, {"Content-Type": "application/json"})
        ready, _, _ = select.select([connection.sock, client], [], [], LONGEST_PULL)
        if client in ready and connection.sock not in ready:
            with self._lock:
                self._left.setdefault(path, []).append(connection)
            return None
        try:
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        finally:
            connection.close()

    def _take_over(self, path: str) -> http.client.HTTPConnection | None:
        """A pull that another client left and that is not answered yet, or answered with messages."""
        with self._lock:
            left = self._left.get(path)
            return left.pop() if left else None


def _exchange(connection: http.client.HTTPConnection, path: str, body: bytes) -> Answer:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return Answer(answer.status, answer.read())


def _has_left(client: socket.socket) -> bool:
    """Whether the client closed its end; between a request and its answer it sends nothing else."""
    ready, _, _ = select.select([client], [], [], 0)
    return bool(ready)
