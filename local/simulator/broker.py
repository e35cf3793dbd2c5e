"""The device's own MQTT broker: one user, one device's two topics, few clients.

Behaviour where it departs from a general broker: subscribing to another device's topics succeeds and nothing arrives;
subscribing to `request` or `#` resets the TCP connection; one client more than there are slots is cut off.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from local.simulator import packets
from local.simulator.faults import Faults
from local.simulator.listener import TlsListener, abort
from local.simulator.packets import ConnectCode, Kind

USER = "bblp"
_CONNECT_SECONDS = 10.0
_MAX_BACKLOG_BYTES = 4 * 1024 * 1024


class _Session:
    """One connected client."""

    def __init__(self, client_id: str, writer: asyncio.StreamWriter) -> None:
        self.client_id = client_id
        self.writer = writer
        self.topics: set[str] = set()
        self.was_half_open = False
        self.is_ignored = False

    def send(self, packet: bytes) -> None:
        transport = self.writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > _MAX_BACKLOG_BYTES:
            transport.abort()
            return
        transport.write(packet)


class Broker:
    """The broker of one device. All methods belong to its event loop."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        serial: str,
        access_code: str,
        certificate: Path,
        slots: int,
        refused_code: int,
        faults: Faults,
        on_subscribe: Callable[[], None],
        on_request: Callable[[bytes], None],
    ) -> None:
        self._report = f"device/{serial}/report"
        self._request = f"device/{serial}/request"
        self._access_code = access_code
        self._slots = slots
        self._refused_code = refused_code
        self._faults = faults
        self._on_subscribe = on_subscribe
        self._on_request = on_request
        self._sessions: dict[str, _Session] = {}
        self._listener = TlsListener(address, certificate, self._serve, lambda: not faults.half_open)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._sessions)

    def begin(self) -> None:
        """Accept clients from now on."""
        self._listener.begin()

    async def close(self) -> None:
        """Stop listening and cut every client off."""
        await self._listener.close()

    def publish(self, payload: bytes) -> None:
        """Send a report to every subscriber."""
        if self._faults.half_open:
            return
        packet = packets.publish(self._report, payload)
        for session in self._sessions.values():
            if self._report in session.topics and not session.was_half_open:
                session.send(packet)

    def drop_clients(self) -> None:
        """Reset every client's connection."""
        for session in self._sessions.values():
            abort(session.writer)
        self._sessions.clear()

    def half_open_began(self) -> None:
        """Mark the connections of now as lost: nothing goes through them any more."""
        for session in self._sessions.values():
            session.was_half_open = True

    def half_open_ended(self) -> None:
        """Reset the connections that were left hanging."""
        self._listener.reset_unanswered()
        for client_id, session in list(self._sessions.items()):
            if session.was_half_open:
                abort(session.writer)
                del self._sessions[client_id]

    def ignore_requests(self, ignored: bool) -> None:
        """Whether what the clients of now ask for vanishes; a new connection is heard in any case."""
        for session in self._sessions.values():
            session.is_ignored = ignored

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(packets.MalformedPacketError, TimeoutError):
            packet = await asyncio.wait_for(packets.read_packet(reader), _CONNECT_SECONDS)
            if packet.kind != Kind.CONNECT:
                return
            connect = packets.parse_connect(packet)
            if (session := self._admit(connect, writer)) is None:
                return
            try:
                await self._converse(session, reader, connect.keepalive)
            finally:
                if self._sessions.get(session.client_id) is session:
                    del self._sessions[session.client_id]

    def _admit(self, connect: packets.Connect, writer: asyncio.StreamWriter) -> _Session | None:
        if connect.level != 4:
            writer.write(packets.connack(ConnectCode.BAD_PROTOCOL))
            return None
        allowed = (connect.username, connect.password) == (USER, self._access_code)
        if not allowed or self._faults.refuse_password:
            writer.write(packets.connack(self._refused_code))
            return None
        client_id = connect.client_id or f"anonymous-{id(writer)}"
        if previous := self._sessions.pop(client_id, None):
            abort(previous.writer)
        if len(self._sessions) >= self._slots:
            abort(writer)
            return None
        session = self._sessions[client_id] = _Session(client_id, writer)
        session.send(packets.connack(ConnectCode.ACCEPTED))
        return session

    async def _converse(self, session: _Session, reader: asyncio.StreamReader, keepalive: int) -> None:
        while True:
            patience = None if session.was_half_open or not keepalive else keepalive * 1.5
            try:
                packet = await asyncio.wait_for(packets.read_packet(reader), patience)
            except TimeoutError:
                if session.was_half_open:
                    continue
                return
            if session.was_half_open:
                continue
            if packet.kind == Kind.DISCONNECT:
                return
            if not self._answer(session, packet):
                abort(session.writer)
                return

    def _answer(self, session: _Session, packet: packets.Packet) -> bool:
        """Act on one packet; False when the connection is to be reset."""
        match packet.kind:
            case Kind.PUBLISH:
                message = packets.parse_publish(packet)
                if message.qos:
                    session.send(packets.puback(message.packet_id))
                if message.topic == self._request and not session.is_ignored:
                    self._on_request(message.payload)
            case Kind.SUBSCRIBE:
                wanted = packets.parse_subscribe(packet)
                if self._request in wanted.topics or any("#" in topic or "+" in topic for topic in wanted.topics):
                    return False
                session.topics.update(wanted.topics)
                session.send(packets.suback(wanted.packet_id, len(wanted.topics)))
                if self._report in wanted.topics:
                    self._on_subscribe()
            case Kind.UNSUBSCRIBE:
                unwanted = packets.parse_subscribe(packet, with_qos=False)
                session.topics.difference_update(unwanted.topics)
                session.send(packets.unsuback(unwanted.packet_id))
            case Kind.PINGREQ:
                session.send(packets.PINGRESP)
            case Kind.PUBACK:
                pass
            case _:
                return False
        return True
