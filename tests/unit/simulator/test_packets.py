"""MQTT packets, read and written."""

import asyncio

import pytest

from local.simulator import packets
from local.simulator.packets import Connect, Kind, MalformedPacketError, Packet, Publish, Subscribe


def read(content: bytes) -> Packet:
    async def once() -> Packet:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        return await packets.read_packet(reader)

    return asyncio.run(once())


def test_connect_with_a_will() -> None:
    body = b"\x00\x04MQTT\x04\xc6\x00\x1e" + b"\x00\x01c" + b"\x00\x01w\x00\x02ab" + b"\x00\x04bblp\x00\x0212"
    packet = read(bytes((0x10, len(body))) + body)
    assert packet.kind == Kind.CONNECT
    assert packets.parse_connect(packet) == Connect(4, "c", 30, "bblp", "12")


def test_publish_at_both_qualities() -> None:
    assert packets.parse_publish(read(b"\x30\x05\x00\x01tab")) == Publish("t", b"ab", 0, 0)
    assert packets.parse_publish(read(b"\x3a\x06\x00\x01t\x00\x07a")) == Publish("t", b"a", 1, 7)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 300_000])
def test_what_is_written_can_be_read(size: int) -> None:
    written = packets.publish("device/x/report", b"a" * size)
    assert packets.parse_publish(read(written)).payload == b"a" * size


def test_subscriptions() -> None:
    body = b"\x00\x09\x00\x01a\x01\x00\x02bc\x00"
    assert packets.parse_subscribe(read(bytes((0x82, len(body))) + body)) == Subscribe(9, ("a", "bc"))
    body = b"\x00\x09\x00\x01a"
    packet = read(bytes((0xA2, len(body))) + body)
    assert packets.parse_subscribe(packet, with_qos=False) == Subscribe(9, ("a",))
    assert packets.suback(9, 2) == b"\x90\x04\x00\x09\x00\x00"


@pytest.mark.parametrize(
    "content", [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\xff\x7f", b"\x30\x03\x00\x05t", b"\x34\x04\x00\x01t\x00"]
)
def test_nonsense_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedPacketError):
        packets.parse_publish(read(content))
