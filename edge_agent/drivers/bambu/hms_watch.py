"""Tells new and cleared HMS entries from those that merely repeat in every frame."""

from collections.abc import Mapping
from typing import Any

from edge_agent.drivers.bambu.hms import CANCELLED_AT_PRINTER, PROMPTS, START_ERRORS, VERIFY_FAILED, decode, error_text
from edge_agent.drivers.bambu.state import Picture
from edge_agent.execution import Rooms
from edge_agent.hms_memory import Entry, HmsMemory
from edge_agent.jobs import Job
from edge_agent.reporters.events import EventReporter

PRINT_ERROR = 0
"""The `code` under which a print_error is remembered: no HMS entry has it."""
PAUSED_BY_PERSON = 0x03008001
"""print_error of a print that a person has paused, at the printer or by a program."""
NO_ERRORS = PROMPTS | CANCELLED_AT_PRINTER | {PAUSED_BY_PERSON}
"""print_error values that tell of no error."""

FAULT_PAUSES = frozenset({6, 17, 20, 21, 35})
"""Stages of a print that has paused by itself: no filament, the front cover, two heaters, a clogged nozzle."""

_CLASSES: Mapping[int, str] = {0x4: "fatal", 0x8: "serious", 0xC: "info"}
"""By the highest digit of a print_error's low half: it ended the print, it paused the print, it asks something."""

_WORDS: Mapping[Entry, str] = {
    VERIFY_FAILED: "the printer refuses commands: Developer Mode is off",
    **{(error, PRINT_ERROR): words for error, words in START_ERRORS.items()},
    (0x03008003, PRINT_ERROR): "the printer believes that the print has come loose, and paused it",
    (0x03008004, PRINT_ERROR): "the filament ran out, and the print is paused",
    (0x03008008, PRINT_ERROR): "the nozzle's temperature is wrong, and the print is paused",
    (0x03008009, PRINT_ERROR): "the bed's temperature is wrong, and the print is paused",
    (0x0300800F, PRINT_ERROR): "the door is open, and the print is paused",
    **{(0x07008011 | unit << 16, PRINT_ERROR): f"AMS {unit + 1} ran out of filament" for unit in range(4)},
    (0x07FF8011, PRINT_ERROR): "the external spool ran out",
}
"""What the agent says of what it, or somebody soon, has to act on; everything else is shown by its code."""


def paused_by_itself(picture: Picture) -> bool:
    """Whether a printer that has paused did so because something is wrong, as far as it says that at once."""
    return picture.stage in FAULT_PAUSES or (picture.print_error != 0 and picture.print_error not in NO_ERRORS)


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
        """A print_error counts while a job runs: idle printers keep showing old ones, and some are no errors."""
        error = picture.print_error
        return {(error, PRINT_ERROR)} if error and picture.active and error not in NO_ERRORS else set()

    def _report(self, kind: str, entry: Entry, job: Job | None) -> None:
        data = told(entry)
        status = "warning" if kind == "hms_error" else "info"
        self._events.report(kind, status, str(data["description"]), job=job, error_data=data)


def told(entry: Entry) -> dict[str, Any]:
    """An entry, or a print_error, as an event's errorData."""
    attr, code = entry
    data = decode(attr, code).wire()
    if code == PRINT_ERROR:
        text = error_text(attr)
        severity = _CLASSES.get(attr >> 12 & 0xF, "unknown")
        data |= {"hmsCode": text, "printError": attr, "severity": severity, "description": f"print error {text}"}
    return data | ({"description": _WORDS[entry]} if entry in _WORDS else {})
