"""A brand in one file: Klipper's printers, through Moonraker's HTTP API.

Its facts are those of Moonraker's API documentation (printer administration, file management, printer objects). A job
has no number there: it is known by the file that `print_stats` names, which stays named after its end.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Literal
from urllib.parse import quote

from edge_agent.config import AgentConfig, Port, PrinterSection, Timing
from edge_agent.drivers.base import (
    ConnectionFailed,
    Listing,
    PrinterInfo,
    Reading,
    StorageFailed,
    StoredFile,
    Stranger,
    is_print_file,
)
from edge_agent.drivers.brands import Brand
from edge_agent.drivers.polled.device import Reply, Unseen
from edge_agent.drivers.polled.driver import PolledDriver
from edge_agent.drivers.polled.forms import form
from edge_agent.drivers.polled.line import Line, blocks
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.parts import integer, items, number, part, text
from edge_agent.execution import Rooms
from edge_agent.timestamps import Clock

STANDARD_PORT = 7125
OBJECTS = "/printer/objects/query?webhooks&print_stats&virtual_sdcard&heater_bed&extruder"
FILES = "/server/files/gcodes/"
STATES = {
    "standby": "IDLE",
    "printing": "PRINTING",
    "paused": "PAUSED",
    "complete": "FINISHED",
    "cancelled": "STOPPED",
    "error": "ERROR",
}
UNREADY = {"startup": "BUSY", "shutdown": "ERROR", "error": "ERROR"}
"""What Klipper itself says while it is not ready: a print does not live through a shutdown."""


class MoonrakerConfig(PrinterSection):
    """One printer; `access_code` is Moonraker's API key."""

    type: Literal["moonraker"] = "moonraker"
    http_port: Port = STANDARD_PORT


class Files:
    """The G-code files of one printer; paths begin with `/`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def files(self, limit: int, check: Callable[[], None]) -> Listing:
        """The newest print files. Raises StorageFailed, LineBroken."""
        check()
        return Listing.newest((file for file in self._listed() if is_print_file(file.name)), limit)

    def find(self, path: str) -> StoredFile:
        """Size and time of one file. Raises StorageFailed, LineBroken."""
        for file in self._listed():
            if file.path == path:
                return file
        raise StorageFailed("not_found", f"the printer has no file {path}")

    @contextmanager
    def read(self, path: str, offset: int) -> Iterator[Reading]:
        """Open the file, from its beginning. Raises StorageFailed, LineBroken."""
        with self._line.download(FILES + quote(path[1:]), {"Accept": "*/*"}) as response:
            yield Reading(0, blocks(response))

    def send(self, source: Path, name: str, progress: Callable[[int], None]) -> StoredFile:
        """Write the file; Moonraker compares its hash. Raises StorageFailed, LineBroken."""
        with source.open("rb") as content:
            fields = {"root": "gcodes", "checksum": hashlib.file_digest(content, "sha256").hexdigest()}
        headers, body = form(fields, source, name, progress)
        self._line.stored("POST", "/server/files/upload", headers=headers, body=body)
        return self.find(f"/{name}")

    def _listed(self) -> list[StoredFile]:
        listed = items(self._line.stored("GET", "/server/files/list?root=gcodes"), "result")
        return [_file(each) for each in listed]


class Moonraker:
    """One printer."""

    brand = "Moonraker"
    extensions = (".gcode", ".gco")

    def __init__(self, address: str, port: int, key: str, timing: Timing) -> None:
        self._line = Line(address, port, {"X-Api-Key": key}, timing, _complaint)
        self.storage = Files(self._line)

    def look(self, first: bool) -> Look:
        """One query, whose objects are of one moment. Raises Unseen."""
        status = part(self._line.see(OBJECTS), "result", "status")
        stats, card = part(status, "print_stats"), part(status, "virtual_sdcard")
        bed, nozzle = part(status, "heater_bed"), part(status, "extruder")
        heat: dict[str, Any] = {
            "bed": number(bed.get("temperature")),
            "bed_target": number(bed.get("target")),
            "nozzle": number(nozzle.get("temperature")),
            "nozzle_target": number(nozzle.get("target")),
        }
        klipper = text(part(status, "webhooks").get("state"))
        if klipper != "ready":
            return Look(UNREADY.get(klipper, "UNKNOWN"), **heat)
        state, file = STATES.get(text(stats.get("state")), "UNKNOWN"), text(stats.get("filename"))
        done, spent = number(card.get("progress")), number(stats.get("print_duration"))
        return Look(
            state,
            job_id=file if file and state in ("PRINTING", "PAUSED") else None,
            file=file,
            percent=None if done is None else done * 100,
            remaining_seconds=int(spent / done - spent) if done and done > 0.01 and spent is not None else None,
            layer=integer(part(stats, "info").get("current_layer")),
            total_layers=integer(part(stats, "info").get("total_layer")),
            **heat,
        )

    def size_of(self, name: str) -> int:
        """The bytes of an uploaded file."""
        return self.storage.find(f"/{name}").size

    def upload(self, source: Path, name: str, check: Callable[[], None]) -> None:
        """Write a start's file."""
        self.storage.send(source, name, lambda _sent: check())

    def start(self, name: str) -> Reply:
        """Print an uploaded file."""
        return self._line.order("POST", f"/printer/print/start?filename={quote(name)}")

    def stop(self, job: str) -> Reply:
        """Cancel what is printed."""
        return self._line.order("POST", "/printer/print/cancel")

    def pause(self, job: str) -> Reply:
        """Pause it."""
        return self._line.order("POST", "/printer/print/pause")

    def resume(self, job: str) -> Reply:
        """Let it go on."""
        return self._line.order("POST", "/printer/print/resume")

    def introduce(self, check: Callable[[], None]) -> PrinterInfo:
        """What Klipper says of itself; it has no serial number. Raises ConnectionFailed."""
        check()
        try:
            version = text(part(self._line.see("/printer/info"), "result").get("software_version"))
        except Unseen as error:
            raise ConnectionFailed("refused" if error.refused else "unreachable", str(error)) from None
        return PrinterInfo(firmware_version=version or None)


def driver(printer: MoonrakerConfig, rooms: Rooms, changed: Event) -> PolledDriver:
    """The driver of a printer of the configuration."""
    device = Moonraker(printer.address, printer.http_port, printer.access_code, rooms.timing)
    return PolledDriver(printer, device, rooms, changed)


def visit(stranger: Stranger, config: AgentConfig, _clock: Clock, check: Callable[[], None]) -> PrinterInfo:
    """Visit a printer that the configuration does not have, at the usual port. Raises ConnectionFailed."""
    if not stranger.address or not stranger.access_code:
        raise ConnectionFailed("unknown_printer", "the printer's address or API key is not known")
    return Moonraker(stranger.address, STANDARD_PORT, stranger.access_code, config.timing).introduce(check)


def _file(entry: Mapping[str, Any]) -> StoredFile:
    modified = number(entry.get("modified"))
    when = datetime.fromtimestamp(modified, UTC) if modified and 0 < modified < 2**33 else None
    return StoredFile(f"/{text(entry.get('path'))}", integer(entry.get("size")) or 0, when)


def _complaint(content: Any) -> object:
    return part(content, "error").get("message")


BRAND = Brand("moonraker", MoonrakerConfig, driver, "klipper", visit)
