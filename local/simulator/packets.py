"""MQTT 3.1.1 on the wire, as much of it as a device's broker needs (OASIS mqtt-v3.1.1, chapters 2 and 3)."""

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum

MAX_PACKET_BYTES = 1024 * 1024
PINGRESP = b"\xd0\x00"


class MalformedPacketError(Exception):
    """The peer does not speak MQTT 3.1.1; the connection is to be closed."""


class Kind(IntEnum):
    """Control packet types that a client sends."""

    CONNECT = 1
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    UNSUBSCRIBE = 10
    PINGREQ = 12
    DISCONNECT = 14


class ConnectCode(IntEnum):
    """CONNACK return codes."""

    ACCEPTED = 0
    BAD_PROTOCOL = 1
    BAD_IDENTIFIER = 2


@dataclass(frozen=True)
class Packet:
    """One packet as it came: type, flags of the fixed header, everything after it."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True)
class Connect:
    """A CONNECT's content; keep-alive in seconds."""

    level: int
    client_id: str
    keepalive: int
    username: str
    password: str


@dataclass(frozen=True)
class Publish:
    """A PUBLISH's content; `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int


@dataclass(frozen=True)
class Subscribe:
    """A SUBSCRIBE's or UNSUBSCRIBE's content."""

    packet_id: int
    topics: tuple[str, ...]


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """Read one packet. Raises IncompleteReadError at the end of the stream, MalformedPacketError."""
    first = (await reader.readexactly(1))[0]
    length = 0
    for shift in (0, 7, 14, 21):
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    else:
        raise MalformedPacketError("length of more than four bytes")
    if length > MAX_PACKET_BYTES:
        raise MalformedPacketError("packet too large")
    return Packet(first >> 4, first & 0x0F, await reader.readexactly(length))


class _Body:
    """Reads fields from the front of a packet's body."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size))

    def binary(self) -> bytes:
        return self._take(self.number(2))

    def text(self) -> str:
        try:
            return self.binary().decode()
        except UnicodeDecodeError as error:
            raise MalformedPacketError("text is not UTF-8") from error

    def rest(self) -> bytes:
        return self._take(len(self._body) - self._at)

    @property
    def empty(self) -> bool:
        return self._at >= len(self._body)

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise MalformedPacketError("packet ends early")
        taken, self._at = self._body[self._at : end], end
        return taken


def parse_connect(packet: Packet) -> Connect:
    """Read a CONNECT; a will is read over."""
    body = _Body(packet.body)
    if body.text() != "MQTT":
        raise MalformedPacketError("not MQTT")
    level = body.number(1)
    flags = body.number(1)
    keepalive = body.number(2)
    if level != 4:
        return Connect(level, "", keepalive, "", "")
    client_id = body.text()
    if flags & 0x04:
        body.text()
        body.binary()
    username = body.text() if flags & 0x80 else ""
    password = body.binary().decode("utf-8", "replace") if flags & 0x40 else ""
    return Connect(level, client_id, keepalive, username, password)


def parse_publish(packet: Packet) -> Publish:
    """Read a PUBLISH of QoS 0 or 1; the devices know no other."""
    qos = packet.flags >> 1 & 0x03
    if qos > 1:
        raise MalformedPacketError(f"QoS {qos}")
    body = _Body(packet.body)
    topic = body.text()
    packet_id = body.number(2) if qos else 0
    return Publish(topic, body.rest(), qos, packet_id)


def parse_subscribe(packet: Packet, *, with_qos: bool = True) -> Subscribe:
    """Read a SUBSCRIBE, or without QoS bytes an UNSUBSCRIBE."""
    body = _Body(packet.body)
    packet_id = body.number(2)
    topics: list[str] = []
    while not body.empty:
        topics.append(body.text())
        if with_qos:
            body.number(1)
    if not topics:
        raise MalformedPacketError("no topic")
    return Subscribe(packet_id, tuple(topics))


def connack(code: int) -> bytes:
    """CONNACK without a stored session."""
    return bytes((0x20, 2, 0, code))


def puback(packet_id: int) -> bytes:
    """PUBACK."""
    return struct.pack(">BBH", 0x40, 2, packet_id)


def suback(packet_id: int, topics: int) -> bytes:
    """SUBACK that grants QoS 0, the only one devices publish with, to so many topics."""
    return bytes((0x90,)) + _length(2 + topics) + packet_id.to_bytes(2) + bytes(topics)


def unsuback(packet_id: int) -> bytes:
    """UNSUBACK."""
    return struct.pack(">BBH", 0xB0, 2, packet_id)


def publish(topic: str, payload: bytes) -> bytes:
    """PUBLISH at QoS 0."""
    name = topic.encode()
    return b"\x30" + _length(2 + len(name) + len(payload)) + len(name).to_bytes(2) + name + payload


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, byte = divmod(value, 128)
        encoded.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
