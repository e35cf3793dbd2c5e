"""The one MQTT session with a printer: connected, watched, and never a message kept for later.

Each connection is a new paho client with a new client id, thrown away when it ends, so nothing that was queued or in
flight on one connection can ever be sent on another.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from paho.mqtt.enums import MQTTErrorCode

from edge_agent import backoff
from edge_agent.config import PrinterConfig, Timing
from edge_agent.drivers.bambu import troubles
from edge_agent.drivers.bambu.acks import ack
from edge_agent.drivers.bambu.commands import Request
from edge_agent.drivers.bambu.entrance import reach
from edge_agent.drivers.bambu.link import GET_VERSION, Link, Ticket, message, new_client, sequence_ids
from edge_agent.drivers.bambu.pulse import Pulse
from edge_agent.drivers.bambu.reports import Reports, sections
from edge_agent.drivers.bambu.state import Picture
from edge_agent.drivers.bambu.whereabouts import Whereabouts
from edge_agent.drivers.problems import Problem
from edge_agent.logs import log, log_exception
from edge_agent.supervision import supervised

STEADY_SECONDS = 10.0
"""A connection that lasts longer was no failure: the next attempt follows at once."""
UNSETTLED_SECONDS = 60.0
"""How long at most a request without a visible effect is remembered."""
COMPLAINT_SECONDS = 60.0
"""How often at most unreadable reports are logged."""
PUSHALL = {"version": 1, "push_target": 1}
SOUGHT = frozenset({"unreachable", "wrong_serial"})
"""What another address may be the cure of."""


class NotConnected(Exception):
    """There is no connection; nothing was sent."""


class Session:
    """Keeps one connection up, merges what the printer reports, sends requests.

    `changed` is notified whenever anything a waiter may look at has changed. `on_picture` is called with each new
    full picture and whether it is the first since the connection was made.
    """

    def __init__(
        self,
        printer: PrinterConfig | Whereabouts,
        timing: Timing,
        monotonic: Callable[[], float],
        stopping: threading.Event,
    ) -> None:
        self.changed = threading.Condition()
        self.on_picture: Callable[[Picture, bool], None] = lambda _picture, _first: None
        self._place = printer if isinstance(printer, Whereabouts) else Whereabouts(printer, monotonic)
        self._serial = printer.serial
        self._timing = timing
        self._monotonic = monotonic
        self._stopping = stopping
        self._closed = threading.Event()
        self._next_try = threading.Event()
        self._place.on_heard = self._next_try.set
        self._report_topic = f"device/{printer.serial}/report"
        self._request_topic = f"device/{printer.serial}/request"
        self._reports = Reports(monotonic())
        self._link: Link | None = None
        self._tickets: dict[tuple[str, str, str], Ticket] = {}
        self._ids = sequence_ids()
        self._last_pushall = monotonic()
        self._unsettled = {"": monotonic()}
        self._last_complaint = float("-inf")
        self._failures = 0
        self._pulse = Pulse(monotonic(), timing.zombie_probe, timing.ack_timeout)
        self._obeys: bool | None = None
        self._trouble: Problem | None = None
        self._unready_since: float | None = monotonic()
        name = f"{printer.serial}-session"
        self._thread = threading.Thread(
            target=supervised, args=(name, self._closed, self._live), name=name, daemon=True
        )

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Begin to say goodbye; returns at once."""
        self._closed.set()
        self._next_try.set()
        with self.changed:
            self.changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait until DISCONNECT has been sent, at most so long."""
        if self._thread.is_alive():
            self._thread.join(max(seconds, 0.0))

    @property
    def ready(self) -> bool:
        """Whether the connection is up and a full picture has come over it."""
        link = self._link
        return link is not None and link.ready and not link.ended and self._reports.is_whole

    @property
    def unready_for(self) -> float:
        """For how many seconds it has not been ready."""
        since = self._unready_since
        return 0.0 if since is None else self._monotonic() - since

    @property
    def trouble(self) -> Problem | None:
        """What is the matter with the connection, as far as the last attempt told."""
        return self._trouble or (troubles.DEAF if self._pulse.is_hopeless else None)

    @property
    def needs_developer_mode(self) -> bool:
        """Whether the printer refuses commands: by its last acknowledgement on this connection, before one by its hint.

        False as long as the connection is not up.
        """
        if not self.ready:
            return False
        return self.picture.refuses_unsigned if self._obeys is None else not self._obeys

    @property
    def picture(self) -> Picture:
        """The latest picture; of an unconnected printer it is what was last seen."""
        return self._reports.picture

    @property
    def full_frames(self) -> int:
        """How many full frames have come: a read-back waits for the next one."""
        return self._reports.full_frames

    @property
    def last_frame(self) -> float:
        """When the printer last reported, on the monotonic clock."""
        return self._reports.last_frame

    @property
    def last_inactive(self) -> float:
        """When the printer last reported that no job occupies it, on the monotonic clock."""
        return self._reports.last_inactive

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
        """Wait until `seen` holds; False when it does not within `seconds` or the session or the agent ends."""
        deadline = self._monotonic() + seconds
        with self.changed:
            while not seen():
                left = deadline - self._monotonic()
                if left <= 0 or self._is_ending:
                    return False
                self.changed.wait(min(left, 1.0))
            return True

    def send(self, request: Request) -> Ticket:
        """Hand the request to the connection with QoS 1. Raises NotConnected: it was not sent and never will be."""
        with self.changed:
            link = self._link
            if link is None or not self.ready:
                raise NotConnected
            sequence_id = next(self._ids)
            ticket = Ticket(request.section, request.command, sequence_id, link)
            self._tickets[request.section, request.command, sequence_id] = ticket
            now = self._monotonic()
            self._unsettled = {each: at for each, at in self._unsettled.items() if now - at < UNSETTLED_SECONDS}
            self._unsettled[sequence_id] = now
            self._pulse.sent(sequence_id, now)
        # Not under the lock: paho calls on_publish under a lock that its publish also takes.
        body = message(request.section, request.command, sequence_id, request.fields)
        info = link.client.publish(self._request_topic, body, qos=1)
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

    @property
    def _is_ending(self) -> bool:
        return self._closed.is_set() or self._stopping.is_set()

    def _forget(self, ticket: Ticket) -> None:
        self._tickets.pop((ticket.section, ticket.command, ticket.sequence_id), None)

    def _pushall(self, link: Link) -> None:
        self._last_pushall = self._monotonic()
        link.client.publish(self._request_topic, message("pushing", "pushall", next(self._ids), PUSHALL), qos=0)

    def _probe(self, link: Link) -> None:
        """Ask for what every printer answers and what has no effect."""
        sequence_id = next(self._ids)
        with self.changed:
            self._pulse.probed(sequence_id, self._monotonic())
        link.client.publish(self._request_topic, message("info", GET_VERSION, sequence_id), qos=0)

    def _live(self) -> None:
        """One connection from its making to its end, and the pause that follows it."""
        if self._stopping.is_set():
            self._closed.wait(1.0)
            return
        address = self._place.trying
        self._failures += 1
        link = self._entered(address)
        if link is not None:
            log("printer_connected", printerSerial=self._serial)
            since = self._monotonic()
            try:
                self._watch(link)
            finally:
                self._close(link)
            if self._monotonic() - since > STEADY_SECONDS:
                self._failures = 1
            if not self._reports.is_whole and self._trouble is None:
                self._trouble = troubles.unreachable(troubles.TURNED_AWAY)
            log("printer_disconnected", "WARNING", printerSerial=self._serial)
        self._pause()

    def _pause(self) -> None:
        timing, reason = self._timing, self._trouble.reason if self._trouble is not None else None
        if reason in SOUGHT and self.unready_for >= timing.rediscover:
            self._place.seek()
        if reason == "access_code_refused":
            self._next_try.wait(timing.refused_retry)
        elif self._failures > 1:
            delay = backoff.delay(self._failures - 1, first=timing.retry_first, ceiling=timing.retry_ceiling)
            self._next_try.wait(delay)
        if not self._closed.is_set():
            self._next_try.clear()

    def _entered(self, address: str) -> Link | None:
        """A connection on which the printer let us in; None, and `trouble` says why not."""
        place, seconds = self._place, self._timing.connect_timeout
        try:
            link = Link(new_client(place, seconds))
        except OSError as error:
            log("ca_file_unusable", "ERROR", printerSerial=self._serial, path=str(place.ca_file), reason=str(error))
            self._trouble = troubles.ca_file_unusable(place, error)
            return None
        link.bind(self._report_topic, self.changed, lambda: self._begin(link), self._receive)
        entered = False
        try:
            entered = self._connected(link, address)
        finally:
            if not entered:
                self._close(link)
        return link if entered else None

    def _connected(self, link: Link, address: str) -> bool:
        place, seconds = self._place, self._timing.connect_timeout
        missing = reach(link.client, place, address, seconds)
        if missing is not None:
            self._trouble = missing
            place.missed(address)
            return False
        place.reached(address)
        link.harden(self._timing.ack_timeout)
        link.client.loop_start()
        with self.changed:
            self._link = link
        self.wait(lambda: link.ready or link.ended, seconds)
        if link.refused is not None:
            self._trouble = troubles.refused(link.refused)
            log("printer_refused", "ERROR", printerSerial=self._serial, reason=link.refused)
        elif not link.ready:
            self._trouble = troubles.unreachable(troubles.TURNED_AWAY if link.ended else "it does not answer")
        return link.ready and not link.ended

    def _begin(self, link: Link) -> None:
        """The printer has let us in: what is known of an earlier connection counts no more."""
        with self.changed:
            now = self._monotonic()
            self._reports.begin(now)
            self._pulse.begin(now)
            self._obeys = self._trouble = None
            link.ready = True
            self.changed.notify_all()
        self._pushall(link)

    def _watch(self, link: Link) -> None:
        """Return when the connection has ended, has been silent for too long, or is heard on no more."""
        timing = self._timing
        while not self._is_ending and not link.ended:
            with self.changed:
                self.changed.wait_for(lambda: link.ended or self._is_ending, 1.0)
            now, is_whole = self._monotonic(), self._reports.is_whole
            silent = now - self.last_frame
            if silent > timing.reconnect_silence:
                log("printer_silent", "WARNING", printerSerial=self._serial, seconds=round(silent))
                return
            patience = timing.silence if is_whole else timing.connect_timeout
            if silent > patience:
                self._trouble = troubles.FELL_SILENT if is_whole else troubles.SILENT
            if (not is_whole or silent > patience) and now - self._last_pushall > patience:
                self.refresh()
            if self._pulse.gives_up(now, self.last_frame):
                log("printer_zombie", "WARNING", printerSerial=self._serial, connections=self._pulse.cures)
                return
            if is_whole and self._pulse.is_due(now, self.last_frame):
                self._probe(link)

    def _close(self, link: Link) -> None:
        with self.changed:
            was_given_up, link.ended = link.ended, True
            if self._link is link:
                self._link = None
            if self._unready_since is None:
                self._unready_since = self._monotonic()
            self.changed.notify_all()
        if self._is_ending and not was_given_up:
            link.say_goodbye()
        else:
            link.reset()

    def _receive(self, payload: bytes | bytearray) -> None:
        """Take what the printer says; nothing that it can say ends the connection's thread."""
        try:
            for section, content in sections(payload):
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
                    printerSerial=self._serial,
                    kind=type(error).__name__,
                    reason=str(error)[:200],
                )

    def _answer(self, section: str, content: Mapping[str, Any]) -> None:
        with self.changed:
            sequence_id = str(content.get("sequence_id"))
            self._pulse.heard(sequence_id, self._monotonic())
            ticket = self._tickets.get((section, str(content.get("command")), sequence_id))
            if ticket is None:
                return
            ticket.ack = ack(content)
            if section == "print" and ticket.ack.accepted is not None:
                self._obeys = not ticket.ack.needs_developer_mode
            self.changed.notify_all()

    def _frame(self, frame: Mapping[str, Any]) -> None:
        with self.changed:
            first = self._reports.take(frame, self._monotonic())
            if first is None:
                return
            self._trouble = self._unready_since = None
            seen = self._reports.picture
        try:
            self.on_picture(seen, first)
        except Exception as error:
            log_exception("report_not_processed", error, printerSerial=self._serial)
        with self.changed:
            self.changed.notify_all()
