"""One connection to a printer's broker, and what was sent over it.

A connection that is given up is reset, and what its socket still holds is thrown away: a request on a dead line must
not arrive after everybody has stopped counting on it. Only the goodbye at the agent's end is orderly, because
printers free a client's slot by it (protocol notes, section A).
"""

import contextlib
import itertools
import json
import random
import socket
import struct
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.drivers.bambu.acks import Ack
from edge_agent.drivers.bambu.identity import Target, context_for

USER = "bblp"
GET_VERSION = "get_version"
"""What every printer answers, in the section `info`, and what has no effect."""
NO_FIELDS: Mapping[str, object] = {}
WRONG_CODE_REASONS = frozenset({"Bad user name or password", "Not authorized"})
CLOSE_SECONDS = 1.0
FIRST_SEQUENCE_ID, LAST_SEQUENCE_ID = 30_000, 2_000_000_000
"""Our own range: others use smaller ones, and larger ones harm (protocol notes, section A)."""
MOST_IN_FLIGHT = 1000
"""Printers confirm unreliably: paho's own limit would be reached (protocol notes, section A)."""
_RESET, _ORDERLY = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)


def new_client(printer: Target, connect_seconds: float) -> Client:
    """A client with an id of its own, for one connection to the printer's broker. Raises OSError for the CA file."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"printpipe-{uuid.uuid4().hex[:12]}",
        clean_session=True,
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = connect_seconds
    client.max_inflight_messages = MOST_IN_FLIGHT
    client.username_pw_set(USER, printer.access_code)
    context = context_for(printer)
    client.tls_set_context(context)
    if not context.check_hostname:
        # The context compares the name itself; paho would compare it with the address.
        client.tls_insecure_set(True)
    return client


def sequence_ids() -> Iterator[str]:
    """Numbers for requests, one after the other, from anywhere on: more than are ever sent. Thread-safe."""
    first = random.randint(FIRST_SEQUENCE_ID, LAST_SEQUENCE_ID // 2)  # noqa: S311 (not a secret)
    return map(str, itertools.count(first))


def message(section: str, command: str, sequence_id: str, fields: Mapping[str, object] = NO_FIELDS) -> str:
    """A request as the printers read it (protocol notes, section B)."""
    return json.dumps({section: {"sequence_id": sequence_id, "command": command, **fields}})


@dataclass(slots=True)
class Ticket:
    """One sent request. `confirmed`: the broker has it. `ack`: what the printer answered."""

    section: str
    command: str
    sequence_id: str
    link: "Link"
    confirmed: bool = False
    ack: Ack | None = None


@dataclass(slots=True)
class Link:
    """One connection's life: `ended` for us, then `closed` by the client."""

    client: Client
    ready: bool = False
    ended: bool = False
    closed: threading.Event = field(default_factory=threading.Event)
    refused: str | None = None
    in_flight: dict[int, Ticket] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)

    def bind(
        self,
        topic: str,
        changed: threading.Condition,
        on_subscribed: Callable[[], None],
        on_payload: Callable[[bytes | bytearray], None],
    ) -> None:
        """Subscribe once the printer lets us in, and note what becomes of the connection; `changed` covers that."""

        def on_connect(
            client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
        ) -> None:
            if reason.is_failure:
                with changed:
                    self.refused = str(reason) if str(reason) in WRONG_CODE_REASONS else None
                    self.ended = True
                    changed.notify_all()
                return
            client.subscribe(topic, qos=0)

        def on_disconnect(
            _client: Client, _data: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Properties | None
        ) -> None:
            with changed:
                self.ended = True
                changed.notify_all()
            self.closed.set()

        def on_publish(
            _client: Client, _data: Any, mid: int, _reason: ReasonCode, _properties: Properties | None
        ) -> None:
            with changed:
                ticket = self.in_flight.pop(mid, None)
                if ticket is None:
                    self.confirmed.add(mid)
                else:
                    ticket.confirmed = True
                    changed.notify_all()

        def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
            if not self.ended:
                on_payload(message.payload)

        client = self.client
        client.on_connect, client.on_disconnect = on_connect, on_disconnect
        client.on_publish, client.on_message = on_publish, on_message
        client.on_subscribe = lambda *_: on_subscribed()

    def harden(self, unanswered_seconds: float) -> None:
        """Let the kernel end the connection when sent bytes stay unanswered so long, and never send them later."""
        connection = self._socket()
        if connection is None:
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(unanswered_seconds * 1000))

    def say_goodbye(self) -> None:
        """Send DISCONNECT and close; reset the connection if that takes too long."""
        connection = self._socket()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ORDERLY)
            self.client.disconnect()
            if not self.closed.wait(CLOSE_SECONDS):
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.reset()

    def reset(self) -> None:
        """Close the connection at once and let go of the client."""
        connection = self._socket()
        if connection is not None and not self.closed.is_set():
            with contextlib.suppress(OSError):
                # Not the TLS socket's own shutdown: the client's thread still reads through its TLS state.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            if not self.closed.wait(CLOSE_SECONDS):
                connection.close()
        client = self.client
        client.on_connect = client.on_subscribe = client.on_disconnect = client.on_publish = client.on_message = None

    def _socket(self) -> socket.socket | None:
        connection = self.client.socket()
        return connection if isinstance(connection, socket.socket) else None
