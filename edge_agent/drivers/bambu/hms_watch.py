"""Tells new and cleared HMS entries from those that merely repeat in every frame."""

from edge_agent.drivers.bambu.hms import CANCELLED_AT_PRINTER, PROMPTS, decode, error_text
from edge_agent.drivers.bambu.state import Picture
from edge_agent.execution import Rooms
from edge_agent.hms_memory import Entry, HmsMemory
from edge_agent.jobs import Job
from edge_agent.reporters.events import EventReporter

PRINT_ERROR = 0
"""The `code` under which a print_error is remembered: no HMS entry has it."""


class HmsWatch:
    """Compares by (attr, code). An entry is cleared when it has stayed away for a while: entries flap."""

    def __init__(self, serial: str, rooms: Rooms, events: EventReporter) -> None:
        self._serial = serial
        self._rooms = rooms
        self._events = events
        self._memory = HmsMemory(rooms.store)
        self._known: set[Entry] = self._memory.known(serial)
        self._gone_since: dict[Entry, float] = {}

    def see(self, picture: Picture, job: Job | None) -> None:
        """A new picture, and the job that runs meanwhile."""
        now = self._rooms.clock.monotonic()
        present = set(picture.hms) | self._error_of(picture)
        for entry in present:
            self._gone_since.pop(entry, None)
        for entry in self._known - present:
            self._gone_since.setdefault(entry, now)
        added = sorted(present - self._known)
        cleared = [entry for entry, since in self._gone_since.items() if now - since >= self._rooms.timing.hms_clear]
        if not added and not cleared:
            return
        with self._rooms.store.transaction():
            self._memory.change(self._serial, added, cleared)
            for entry in added:
                self._report("hms_error", entry, job)
            for entry in cleared:
                self._report("hms_cleared", entry, job)
        self._known = (self._known | present) - set(cleared)
        for entry in cleared:
            del self._gone_since[entry]

    def _error_of(self, picture: Picture) -> set[Entry]:
        """A print_error counts while a job runs: idle printers keep showing old ones, and some are mere prompts."""
        error = picture.print_error
        if not error or not picture.active or error in PROMPTS or error in CANCELLED_AT_PRINTER:
            return set()
        return {(error, PRINT_ERROR)}

    def _report(self, kind: str, entry: Entry, job: Job | None) -> None:
        attr, code = entry
        decoded = decode(attr, code)
        data = decoded.wire()
        if code == PRINT_ERROR:
            data |= {"hmsCode": error_text(attr), "printError": attr, "description": f"print error {error_text(attr)}"}
        status = "warning" if kind == "hms_error" else "info"
        self._events.report(kind, status, str(data["description"]), job=job, error_data=data)
