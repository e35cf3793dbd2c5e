"""Tests the connection to a printer: its broker and its file server, each with the certificate and the access code.

A session that is up is asked over itself; otherwise, and for a printer without a session, one connection is made for
the test alone, and an orderly goodbye frees its slot at the printer (protocol notes, section A).
"""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config import AgentConfig, PrinterConfig, Timing
from edge_agent.drivers.bambu.entrance import reach
from edge_agent.drivers.bambu.ftps import NotVerified
from edge_agent.drivers.bambu.identity import OTHER_NAME, Target
from edge_agent.drivers.bambu.link import GET_VERSION, WRONG_CODE_REASONS, message, new_client, sequence_ids
from edge_agent.drivers.bambu.storage import BambuStorage
from edge_agent.drivers.base import (
    ConnectionErrorCode,
    ConnectionFailed,
    LineBroken,
    PrinterInfo,
    StorageFailed,
    Stranger,
)
from edge_agent.timestamps import Clock

ASK_AGAIN_SECONDS = 2.0
"""The first answer to `get_version` may be lost."""
GOODBYE_SECONDS = 1.0
CODES: Mapping[str, ConnectionErrorCode] = {
    "wrong_serial": "wrong_serial",
    "wrong_certificate": "wrong_certificate",
    "unreachable": "unreachable",
}


def visit_files(storage: BambuStorage) -> None:
    """Log in to the file server. Raises ConnectionFailed."""
    try:
        storage.test_login()
    except NotVerified as error:
        raise _not_verified(error.code_of_openssl, str(error)) from None
    except LineBroken as error:
        raise ConnectionFailed("unreachable", str(error)) from None
    except StorageFailed as error:
        raise ConnectionFailed("refused", str(error)) from None


def visit_broker(printer: Target, timing: Timing, check: Callable[[], None]) -> PrinterInfo:
    """Log in to the broker and ask for its version, on a connection of its own. Raises ConnectionFailed."""
    try:
        visit = _Visit(printer, timing)
    except OSError as error:
        raise ConnectionFailed("wrong_certificate", f"the CA file cannot be used: {error}") from None
    try:
        visit.enter()
        return visit.ask(check)
    finally:
        visit.leave()


def visit_stranger(stranger: Stranger, config: AgentConfig, clock: Clock, check: Callable[[], None]) -> PrinterInfo:
    """Test a printer that is not configured, with the maker's CA and the ports of one that is.

    Without one the access code is shown to nobody: whoever answers could not be told from the printer.
    Raises ConnectionFailed.
    """
    if not stranger.serial or not stranger.access_code:
        raise ConnectionFailed("unknown_printer", "the printer's serial number or access code is not known")
    known = [printer for printer in config.printers if isinstance(printer, PrinterConfig)]
    if not known:
        raise ConnectionFailed(
            "wrong_certificate",
            "the agent has no CA file to verify the printer with; add the printer to its configuration",
        )
    printer = known[0].model_copy(
        update={
            "serial": stranger.serial,
            "address": stranger.address,
            "access_code": stranger.access_code,
            "pinned_certificate": None,
        }
    )
    info = visit_broker(printer, config.timing, check)
    visit_files(BambuStorage(printer, clock, config.timing.ftps_reply, lambda _name: False))
    return info


def printer_info(serial: str, answer: Mapping[str, Any]) -> PrinterInfo:
    """What the answer to `get_version` tells: the entry `ota` is the printer as a whole."""
    modules = answer.get("module")
    entries = [entry for entry in modules if isinstance(entry, dict)] if isinstance(modules, list) else []
    whole = next((entry for entry in entries if entry.get("name") == "ota"), {})
    return PrinterInfo(serial, str(whole.get("product_name") or "") or None, str(whole.get("sw_ver") or "") or None)


def _not_verified(code: int, message: str) -> ConnectionFailed:
    return ConnectionFailed("wrong_serial" if code == OTHER_NAME else "wrong_certificate", message)


class _Visit:
    """One short connection to the broker."""

    def __init__(self, printer: Target, timing: Timing) -> None:
        self._printer = printer
        self._seconds = timing.connect_timeout
        self._changed = threading.Condition()
        self._ready = self._ended = False
        self._refused: str | None = None
        self._answer: Mapping[str, Any] | None = None
        self._heard = False
        self._ids = sequence_ids()
        self._client = new_client(printer, self._seconds)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._note(ready=True)
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def enter(self) -> None:
        """Connect and subscribe. Raises ConnectionFailed."""
        printer = self._printer
        problem = reach(self._client, printer, printer.address, self._seconds)
        if problem is not None:
            raise ConnectionFailed(CODES.get(problem.reason, "unreachable"), problem.text)
        self._client.loop_start()
        self._wait(lambda: self._ready or self._ended, self._seconds)
        if self._refused is not None:
            raise ConnectionFailed("refused", f"the printer refused the access code: {self._refused}")
        if not self._ready or self._ended:
            raise ConnectionFailed("unreachable", "the printer does not answer")

    def ask(self, check: Callable[[], None]) -> PrinterInfo:
        """Ask for the version, again and again; a report alone shows that it is there. Raises ConnectionFailed."""
        for _ in range(max(round(self._seconds / ASK_AGAIN_SECONDS), 1)):
            check()
            topic = f"device/{self._printer.serial}/request"
            self._client.publish(topic, message("info", GET_VERSION, next(self._ids)), qos=0)
            if self._wait(lambda: self._answer is not None or self._ended, ASK_AGAIN_SECONDS):
                break
        if self._answer is not None:
            return printer_info(self._printer.serial, self._answer)
        if not self._heard:
            raise ConnectionFailed("unreachable", "the printer lets us in and then says nothing")
        return PrinterInfo(self._printer.serial)

    def leave(self) -> None:
        """Say goodbye, whatever has become of the connection."""
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
        self._wait(lambda: self._ended or not self._ready, GOODBYE_SECONDS)
        self._client.loop_stop()

    def _wait(self, seen: Callable[[], bool], seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(seen, seconds)

    def _note(self, *, ready: bool = False, ended: bool = False) -> None:
        with self._changed:
            self._ready = self._ready or ready
            self._ended = self._ended or ended
            self._changed.notify_all()

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refused = str(reason) if str(reason) in WRONG_CODE_REASONS else None
            self._note(ended=True)
        else:
            client.subscribe(f"device/{self._printer.serial}/report", qos=0)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._note(ended=True)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._heard = True
        try:
            content = json.loads(message.payload.decode("utf-8", errors="replace"))
        except (ValueError, RecursionError):
            return
        answer = content.get("info") if isinstance(content, dict) else None
        if isinstance(answer, dict) and answer.get("command") == GET_VERSION:
            self._answer = answer
            self._note()
