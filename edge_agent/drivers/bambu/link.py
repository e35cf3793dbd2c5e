"""One connection to a printer's broker, and what was sent over it.

A connection that is given up is reset, and what its socket still holds is thrown away: a request on a dead line must
not arrive after everybody has stopped counting on it. Only the goodbye at the agent's end is orderly, because
printers free a client's slot by it (protocol notes, section A).
"""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

from paho.mqtt.client import Client

from edge_agent.drivers.bambu.acks import Ack

CLOSE_SECONDS = 1.0
_RESET, _ORDERLY = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)


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
