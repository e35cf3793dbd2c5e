"""The one MQTT session with a printer: connected, watched, and never a message kept for later.

Each connection is a new paho client with a new client id, thrown away when it ends, so nothing that was queued or in
flight on one connection can ever be sent on another.
"""

import json
import random
import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent import backoff
from edge_agent.config import PrinterConfig, Timing
from edge_agent.drivers.bambu.acks import ack
from edge_agent.drivers.bambu.commands import Request
from edge_agent.drivers.bambu.identity import printer_context
from edge_agent.drivers.bambu.link import Link, Ticket
from edge_agent.drivers.bambu.merge import is_full, merge
from edge_agent.drivers.bambu.state import Picture, picture
from edge_agent.logs import log, log_exception
from edge_agent.supervision import supervised

KEEPALIVE_SECONDS = 30
STEADY_SECONDS = 10.0
"""A connection that lasts longer was no failure: the next attempt follows at once."""
FIRST_SEQUENCE_ID, LAST_SEQUENCE_ID = 30_000, 2_000_000_000
WRONG_CODE_REASONS = frozenset({"Bad user name or password", "Not authorized"})
UNSETTLED_SECONDS = 60.0
"""How long at most a request without a visible effect is remembered."""
COMPLAINT_SECONDS = 60.0
"""How often at most unreadable reports are logged."""
PUSHALL = {"command": "pushall", "version": 1, "push_target": 1}


class NotConnected(Exception):
    """There is no connection; nothing was sent."""


class Session:
    """Keeps one connection up, merges what the printer reports, sends requests.

    `changed` is notified whenever anything a waiter may look at has changed. `on_picture` is called with each new
    full picture and whether it is the first since the connection was made.
    """

    def __init__(
        self, printer: PrinterConfig, timing: Timing, monotonic: Callable[[], float], stopping: threading.Event
    ) -> None:
        self.changed = threading.Condition()
        self.on_picture: Callable[[Picture, bool], None] = lambda _picture, _first: None
        self._printer = printer
        self._timing = timing
        self._monotonic = monotonic
        self._stopping = stopping
        self._report_topic = f"device/{printer.serial}/report"
        self._request_topic = f"device/{printer.serial}/request"
        self._raw: dict[str, Any] | None = None
        self._picture = Picture()
        self._full_frames = 0
        self._link: Link | None = None
        self._tickets: dict[tuple[str, str, str], Ticket] = {}
        self._next_id = random.randint(FIRST_SEQUENCE_ID, LAST_SEQUENCE_ID // 2)  # noqa: S311 (not a secret)
        self._last_frame = monotonic()
        self._last_pushall = monotonic()
        self._unsettled = {"": monotonic()}
        self._last_inactive = float("-inf")
        self._last_complaint = float("-inf")
        self._failures = 0
        name = f"{printer.serial}-session"
        self._thread = threading.Thread(target=supervised, args=(name, stopping, self._live), name=name, daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Begin to say goodbye; returns at once."""
        with self.changed:
            self.changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait until DISCONNECT has been sent, at most so long."""
        self._thread.join(max(seconds, 0.0))

    @property
    def ready(self) -> bool:
        """Whether the connection is up and a full picture has come over it."""
        link = self._link
        return link is not None and link.ready and not link.ended and self._raw is not None

    @property
    def picture(self) -> Picture:
        """The latest picture; of an unconnected printer it is what was last seen."""
        return self._picture

    @property
    def full_frames(self) -> int:
        """How many full frames have come: a read-back waits for the next one."""
        return self._full_frames

    @property
    def last_frame(self) -> float:
        """When the printer last reported, on the monotonic clock."""
        return self._last_frame

    @property
    def last_inactive(self) -> float:
        """When the printer last reported that no job occupies it, on the monotonic clock."""
        return self._last_inactive

    @property
    def last_unsettled(self) -> float:
        """When the last request was sent that the report is not known to show; at first when the session was made."""
        with self.changed:
            return max(self._unsettled.values(), default=float("-inf"))

    def settled(self, ticket: Ticket) -> None:
        """The report shows what was asked for."""
        with self.changed:
            self._unsettled.pop(ticket.sequence_id, None)

    def wait(self, seen: Callable[[], bool], seconds: float) -> bool:
        """Wait until `seen` holds; False when it does not within `seconds` or the agent stops."""
        deadline = self._monotonic() + seconds
        with self.changed:
            while not seen():
                left = deadline - self._monotonic()
                if left <= 0 or self._stopping.is_set():
                    return False
                self.changed.wait(min(left, 1.0))
            return True

    def send(self, request: Request) -> Ticket:
        """Hand the request to the connection with QoS 1. Raises NotConnected: it was not sent and never will be."""
        with self.changed:
            link = self._link
            if link is None or not self.ready:
                raise NotConnected
            sequence_id = self._sequence_id()
            ticket = Ticket(request.section, request.command, sequence_id, link)
            self._tickets[request.section, request.command, sequence_id] = ticket
            now = self._monotonic()
            self._unsettled = {each: at for each, at in self._unsettled.items() if now - at < UNSETTLED_SECONDS}
            self._unsettled[sequence_id] = now
        # Outside the lock: paho calls on_publish under a lock that its publish also takes.
        body = {request.section: {"sequence_id": sequence_id, "command": request.command, **request.fields}}
        info = link.client.publish(self._request_topic, json.dumps(body), qos=1)
        with self.changed:
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                link.ended = True
                self._forget(ticket)
                self.changed.notify_all()
                raise NotConnected
            if info.mid in link.confirmed:
                ticket.confirmed = True
            else:
                link.in_flight[info.mid] = ticket
            return ticket

    def done(self, ticket: Ticket) -> None:
        """No more is expected for the ticket."""
        with self.changed:
            self._forget(ticket)

    def refresh(self) -> None:
        """Ask for a full frame."""
        with self.changed:
            link = self._link
        if link is not None and link.ready and not link.ended:
            self._pushall(link)

    def reconnect(self) -> None:
        """Give the connection up: it is up but the printer no longer listens on it."""
        with self.changed:
            if self._link is not None:
                self._link.ended = True
            self.changed.notify_all()

    def _forget(self, ticket: Ticket) -> None:
        self._tickets.pop((ticket.section, ticket.command, ticket.sequence_id), None)

    def _sequence_id(self) -> str:
        self._next_id = FIRST_SEQUENCE_ID if self._next_id >= LAST_SEQUENCE_ID else self._next_id + 1
        return str(self._next_id)

    def _pushall(self, link: Link) -> None:
        self._last_pushall = self._monotonic()
        body = {"pushing": {"sequence_id": self._sequence_id(), **PUSHALL}}
        link.client.publish(self._request_topic, json.dumps(body), qos=0)

    def _live(self) -> None:
        """One connection from its making to its end, and the pause that follows it."""
        link = Link(self._client())
        self._bind(link)
        self._failures += 1
        try:
            if self._connect(link):
                log("printer_connected", printerSerial=self._printer.serial)
                since = self._monotonic()
                self._watch(link)
                if self._monotonic() - since > STEADY_SECONDS:
                    self._failures = 1
                log("printer_disconnected", "WARNING", printerSerial=self._printer.serial)
        finally:
            self._close(link)
        timing = self._timing
        if link.refused is not None:
            log("printer_refused", "ERROR", printerSerial=self._printer.serial, reason=link.refused)
            self._stopping.wait(timing.refused_retry)
        elif self._failures > 1:
            delay = backoff.delay(self._failures - 1, first=timing.retry_first, ceiling=timing.retry_ceiling)
            self._stopping.wait(delay)

    def _client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"printpipe-{uuid.uuid4().hex[:12]}",
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._timing.connect_timeout
        client.max_inflight_messages = 1000
        client.username_pw_set("bblp", self._printer.access_code)
        return client

    def _connect(self, link: Link) -> bool:
        """Whether the printer let us in."""
        printer, client = self._printer, link.client
        try:
            client.tls_set_context(printer_context(printer.serial, printer.ca_file))
        except OSError as error:
            log("ca_file_unusable", "ERROR", printerSerial=printer.serial, path=str(printer.ca_file), reason=str(error))
            return False
        try:
            client.connect(printer.address, printer.mqtt_port, keepalive=KEEPALIVE_SECONDS)
            link.harden(self._timing.ack_timeout)
            client.loop_start()
        except ssl.SSLCertVerificationError as error:
            log("printer_not_verified", "ERROR", printerSerial=printer.serial, reason=error.verify_message)
            return False
        except (OSError, ValueError) as error:
            log("printer_unreachable", "DEBUG", printerSerial=printer.serial, reason=str(error))
            return False
        with self.changed:
            self._link = link
        self.wait(lambda: link.ready or link.ended, self._timing.connect_timeout)
        return link.ready

    def _bind(self, link: Link) -> None:
        def on_connect(
            client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
        ) -> None:
            if reason.is_failure:
                with self.changed:
                    link.refused = str(reason) if str(reason) in WRONG_CODE_REASONS else None
                    link.ended = True
                    self.changed.notify_all()
                return
            client.subscribe(self._report_topic, qos=0)

        def on_subscribe(
            _client: Client, _data: Any, _mid: int, _reasons: list[ReasonCode], _properties: Properties | None
        ) -> None:
            with self.changed:
                self._raw = None
                link.ready = True
                self._last_frame = self._monotonic()
                self.changed.notify_all()
            self._pushall(link)

        def on_disconnect(
            _client: Client, _data: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Properties | None
        ) -> None:
            with self.changed:
                link.ended = True
                self.changed.notify_all()
            link.closed.set()

        def on_publish(
            _client: Client, _data: Any, mid: int, _reason: ReasonCode, _properties: Properties | None
        ) -> None:
            with self.changed:
                ticket = link.in_flight.pop(mid, None)
                if ticket is None:
                    link.confirmed.add(mid)
                else:
                    ticket.confirmed = True
                    self.changed.notify_all()

        def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
            if not link.ended:
                self._receive(message.payload)

        link.client.on_connect = on_connect
        link.client.on_subscribe = on_subscribe
        link.client.on_disconnect = on_disconnect
        link.client.on_publish = on_publish
        link.client.on_message = on_message

    def _watch(self, link: Link) -> None:
        """Return when the connection has ended or has been silent for too long."""
        while not self._stopping.is_set() and not link.ended:
            with self.changed:
                self.changed.wait_for(lambda: link.ended or self._stopping.is_set(), 1.0)
            now = self._monotonic()
            silent = now - self._last_frame
            if silent > self._timing.reconnect_silence:
                log("printer_silent", "WARNING", printerSerial=self._printer.serial, seconds=round(silent))
                return
            patience = self._timing.connect_timeout if self._raw is None else self._timing.silence
            if (self._raw is None or silent > patience) and now - self._last_pushall > patience:
                self.refresh()

    def _close(self, link: Link) -> None:
        with self.changed:
            was_given_up, link.ended = link.ended, True
            if self._link is link:
                self._link = None
            self.changed.notify_all()
        if self._stopping.is_set() and not was_given_up:
            link.say_goodbye()
        else:
            link.reset()

    def _receive(self, payload: bytes | bytearray) -> None:
        """Take what the printer says; nothing that it can say ends the connection's thread."""
        try:
            message = json.loads(payload.decode("utf-8", errors="replace"))
            for section, content in message.items() if isinstance(message, dict) else ():
                if not isinstance(content, dict):
                    continue
                if section == "print" and content.get("command") == "push_status":
                    self._frame(content)
                else:
                    self._answer(section, content)
        except Exception as error:
            now = self._monotonic()
            if now - self._last_complaint >= COMPLAINT_SECONDS:
                self._last_complaint = now
                log(
                    "report_unreadable",
                    "WARNING",
                    printerSerial=self._printer.serial,
                    kind=type(error).__name__,
                    reason=str(error)[:200],
                )

    def _answer(self, section: str, content: Mapping[str, Any]) -> None:
        with self.changed:
            key = (section, str(content.get("command")), str(content.get("sequence_id")))
            ticket = self._tickets.get(key)
            if ticket is not None:
                ticket.ack = ack(content)
                self.changed.notify_all()

    def _frame(self, frame: Mapping[str, Any]) -> None:
        with self.changed:
            self._last_frame = self._monotonic()
            raw = self._merged(frame)
            if raw is None:
                return
            first = self._raw is None
            seen = picture(raw)
            self._raw, self._picture = raw, seen
            if is_full(frame):
                self._full_frames += 1
            if not seen.active:
                self._last_inactive = self._last_frame
        try:
            self.on_picture(seen, first)
        except Exception as error:
            log_exception("report_not_processed", error, printerSerial=self._printer.serial)
        with self.changed:
            self.changed.notify_all()

    def _merged(self, frame: Mapping[str, Any]) -> dict[str, Any] | None:
        """The whole picture with this frame; None before the first full one."""
        if is_full(frame) and (self._raw is None or "msg" in frame):
            return dict(frame)
        return None if self._raw is None else merge(self._raw, frame)
