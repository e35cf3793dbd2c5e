"""The site's printers: a driver and a worker for each, made, replaced and let go as the configuration says.

Each printer has rooms of its own, with a `stopping` of its own: a printer that goes is stopped as all are when the
agent stops, and what was under way for it stays in the journal. Its successor goes on from there.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from edge_agent.command import Command, Outcome
from edge_agent.config import AgentConfig, PrinterSection
from edge_agent.drivers.base import Driver
from edge_agent.execution import Rooms, Run
from edge_agent.executor import Executor, Leases
from edge_agent.logs import log, log_exception
from edge_agent.worker import Worker

LANES_SECONDS = 2.5
"""How long a printer that goes waits for its lanes; what is blocked longer is not run again before it has ended."""
DEPARTURE_SECONDS = 45.0
"""How long a successor waits for the driver before it: longer than any of its attempts to connect can take."""

Perform = Callable[[Run], Outcome]


@dataclass(frozen=True, slots=True)
class _Member:
    section: PrinterSection
    stopping: threading.Event
    driver: Driver
    worker: Worker

    def stop(self) -> None:
        self.stopping.set()
        self.driver.stop()


class Fleet:
    """The printers by their serials. Thread-safe; all but `apply` and `join` return at once.

    `errand` carries out what is done with a printer's storage. `on_settled` is called with the serial of a printer that
    was added, replaced or removed, when that is over: its commands in the journal are to be handed out anew.
    """

    def __init__(
        self, config: AgentConfig, rooms: Rooms, leases: Leases, make: Callable[[PrinterSection, Rooms], Driver]
    ) -> None:
        """`config` is applied by `apply` alone, the first one too. `make` makes the driver of a printer."""
        self.config = config
        """The configuration in force."""
        self.errand: Callable[[Driver], Perform] = lambda driver: driver.perform
        self.on_settled: Callable[[str], None] = lambda _serial: None
        self._rooms = rooms
        self._leases = leases
        self._make = make
        self._lock = threading.Lock()
        self._applying = threading.Lock()
        self._watching = threading.Lock()
        self._members: dict[str, _Member] = {}
        self._leaving: list[_Member] = []
        self._awaited: dict[str, PrinterSection] = {}
        """The printers whose old driver is not over yet."""
        self._ended = False

    def drivers(self) -> Sequence[Driver]:
        """The drivers of now."""
        with self._lock:
            return tuple(member.driver for member in self._members.values())

    def printers(self) -> Sequence[PrinterSection]:
        """The printers of now, as the configuration has them."""
        with self._lock:
            return (*(member.section for member in self._members.values()), *self._awaited.values())

    @contextmanager
    def watched(self) -> Iterator[Sequence[Driver]]:
        """The drivers of now; none of them has a successor before the context ends, which must be soon."""
        with self._watching:
            yield self.drivers()

    def has(self, serial: str) -> bool:
        """Whether the printer is configured."""
        with self._lock:
            return serial in self._members or serial in self._awaited

    def serial_at(self, address: str) -> str | None:
        """The serial of the printer at this address, where it is now or where it should be.

        None also where that may be several: who asked may know the address of before or of now.
        """
        with self._lock:
            there = {
                serial
                for serial, member in self._members.items()
                if address in (member.driver.address, member.section.address)
            }
            there |= {serial for serial, section in self._awaited.items() if section.address == address}
        return there.pop() if len(there) == 1 else None

    def take(self, command: Command) -> bool:
        """Hand the command, which the journal has, to its printer's worker; False where there is no such printer.

        One for a printer whose driver is being replaced stays in the journal until that is over.
        """
        with self._lock:
            member = self._members.get(command.printer_serial)
            if member is None:
                return command.printer_serial in self._awaited
        member.worker.submit(command)
        return True

    def apply(self, config: AgentConfig) -> None:
        """Add, replace and remove the printers whose sections differ; returns when that is over.

        Bounded by `DEPARTURE_SECONDS`. A printer that cannot be made is logged, and left out.
        """
        wanted = {printer.serial: printer for printer in config.printers}
        with self._applying:
            with self._lock:
                if self._ended:
                    return
                self.config = config
                leaving = [each for serial, each in self._members.items() if wanted.get(serial) != each.section]
                added = [section for serial, section in wanted.items() if serial not in self._members]
                for member in leaving:
                    serial = member.section.serial
                    del self._members[serial]
                    if serial in wanted:
                        self._awaited[serial] = wanted[serial]
                self._leaving = leaving
            for member in leaving:
                member.stop()
            for section in added:
                self._add(section)
                log("printer_added", printerSerial=section.serial)
                self._settle(section.serial)
            self._succeed(leaving, wanted)
            self._leaving = []

    def stop(self) -> None:
        """Begin to say goodbye to all printers."""
        with self._lock:
            self._ended = True
            members = list(self._members.values())
        for member in members:
            member.stop()

    def join(self, left: Callable[[], float]) -> None:
        """Wait for the lanes and the goodbyes, each at most the seconds that `left` then gives."""
        with self._lock:
            members = [*self._members.values(), *self._leaving]
        for member in members:
            member.worker.join(left)
        for member in members:
            member.driver.join(max(left(), 0.0))

    def _succeed(self, leaving: Sequence[_Member], wanted: Mapping[str, PrinterSection]) -> None:
        """Let each go, and begin its successor as soon as it has gone: one that takes long keeps no other waiting."""
        threads = [
            threading.Thread(
                target=self._replace,
                args=(member, wanted.get(member.section.serial)),
                name=f"{member.section.serial}-succession",
                daemon=True,
            )
            for member in leaving
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _replace(self, member: _Member, section: PrinterSection | None) -> None:
        serial = member.section.serial
        try:
            self._let_go(member)
            if section is not None:
                self._add(section)
            log("printer_removed" if section is None else "printer_replaced", printerSerial=serial)
        finally:
            with self._lock:
                self._awaited.pop(serial, None)
            self._settle(serial)

    def _settle(self, serial: str) -> None:
        """Whatever this raises keeps no other printer from its succession."""
        try:
            self.on_settled(serial)
        except Exception as error:
            log_exception("printer_not_settled", error, printerSerial=serial)

    def _let_go(self, member: _Member) -> None:
        monotonic = self._rooms.clock.monotonic
        began = monotonic()
        member.worker.join(lambda: began + LANES_SECONDS - monotonic())
        began = monotonic()
        member.driver.join(DEPARTURE_SECONDS)
        if monotonic() - began >= DEPARTURE_SECONDS:
            log("printer_lingers", "WARNING", printerSerial=member.section.serial)
        with self._watching:
            pass  # whoever still looked at the old driver has seen the last of it

    def _add(self, section: PrinterSection) -> None:
        """Make the printer's driver and begin it."""
        stopping = threading.Event()
        rooms = replace(self._rooms, stopping=stopping)
        try:
            driver = self._make(section, rooms)
            errand = self.errand(driver)
        except Exception as error:
            log_exception("printer_unusable", error, printerSerial=section.serial)
            return
        executor = Executor(rooms, self._leases)

        def execute(command: Command) -> None:
            executor.execute(command.command_id, errand if command.is_storage else driver.perform)

        with self._lock:
            if self._ended:
                return
            self._members[section.serial] = _Member(section, stopping, driver, Worker(section.serial, execute, rooms))
            self._awaited.pop(section.serial, None)
            driver.start()
