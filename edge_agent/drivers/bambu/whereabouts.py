"""Where a printer is: at the configured address, or where it was heard since, once its certificate has proved it.

What was proved is kept in the store beside the address that the configuration had then; the file is left alone.
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path

from edge_agent.config import PrinterConfig
from edge_agent.discovery import Found, Neighbours
from edge_agent.logs import log, log_exception
from edge_agent.store import Store

CHANGE_EVERY = 10.0
"""Seconds in which at most one other address is believed: announcements may be anybody's."""


class Whereabouts:
    """One printer's section of the configuration, and the address that goes with it now. Thread-safe.

    `address` is the one proved last, `trying` the one to connect to next. `on_moved` is called with a newly proved
    address, `on_heard` when there is another one to try; both in whatever thread learns of it.
    """

    def __init__(
        self,
        printer: PrinterConfig,
        monotonic: Callable[[], float],
        store: Store | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.on_moved: Callable[[str], None] = lambda _address: None
        self.on_heard: Callable[[], None] = lambda: None
        self._printer = printer
        self._monotonic = monotonic
        self._store = store
        self._neighbours = neighbours
        self._name = f"address:{printer.serial}"
        self._lock = threading.Lock()
        self._address = self._remembered() or printer.address
        self._options = list(dict.fromkeys((self._address, printer.address)))
        self._heard_at = float("-inf")

    @property
    def serial(self) -> str:
        """The serial number."""
        return self._printer.serial

    @property
    def address(self) -> str:
        """Where the printer was proved to be last, else what the configuration says."""
        return self._address

    @property
    def trying(self) -> str:
        """Where to connect to now."""
        with self._lock:
            return self._options[0]

    @property
    def access_code(self) -> str:
        """What lets a client in."""
        return self._printer.access_code

    @property
    def mqtt_port(self) -> int:
        """The broker's port."""
        return self._printer.mqtt_port

    @property
    def ftps_port(self) -> int:
        """The file server's port."""
        return self._printer.ftps_port

    @property
    def ca_file(self) -> Path:
        """The CA that the certificate is verified against."""
        return self._printer.ca_file

    @property
    def pinned_certificate(self) -> str | None:
        """The SHA-256 of the certificate that is believed instead."""
        return self._printer.pinned_certificate

    @property
    def printer(self) -> PrinterConfig:
        """The section as it would be with the present address."""
        return self._printer.model_copy(update={"address": self._address})

    def reached(self, address: str) -> None:
        """The printer has proved that it is here."""
        with self._lock:
            self._options = list(dict.fromkeys((address, self._printer.address)))
            if address == self._address:
                return
            self._address = address
        self._keep(address)
        log("printer_moved", "WARNING", printerSerial=self.serial, address=address, configured=self._printer.address)
        self.on_moved(address)

    def missed(self, address: str) -> None:
        """The printer was not found here: the next of the known addresses is tried."""
        with self._lock:
            if self._options[0] == address:
                self._options.append(self._options.pop(0))

    def seek(self) -> None:
        """Listen for the printer on the LAN, where that is wanted."""
        if self._neighbours is not None:
            self._neighbours.seek(self.serial, self._hear)

    def _hear(self, found: Found) -> None:
        """The printer, or somebody in its name, says that it is there: that is tried next, and proves itself or not."""
        with self._lock:
            now = self._monotonic()
            if found.address in self._options or now - self._heard_at < CHANGE_EVERY:
                return
            self._heard_at = now
            known = dict.fromkeys((self._address, self._printer.address))
            self._options = [found.address, *(each for each in self._options if each in known)]
        log("printer_heard", printerSerial=self.serial, address=found.address)
        self.on_heard()

    def _keep(self, address: str) -> None:
        """Note it for the next start; a disk that takes nothing is no reason not to talk to the printer."""
        content = json.dumps({"configured": self._printer.address, "found": address})
        try:
            if self._store is not None:
                self._store.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (self._name, content))
        except Exception as error:
            log_exception("address_not_kept", error, printerSerial=self.serial)

    def _remembered(self) -> str | None:
        """Where it was proved to be, unless the configuration has another address by now."""
        row = self._store.row("SELECT value FROM meta WHERE name = ?", (self._name,)) if self._store else None
        try:
            content = json.loads(row["value"]) if row is not None else {}
            return str(content["found"]) if content.get("configured") == self._printer.address else None
        except (ValueError, KeyError, AttributeError):
            return None
