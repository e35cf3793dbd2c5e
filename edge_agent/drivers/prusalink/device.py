"""A printer with PrusaLink: what it shows, and what it is asked to do to a print.

A job is stopped by its number alone, so that no stop hits another one. A start is answered only after it took effect
(protocol notes, section G).
"""

from collections.abc import Callable
from pathlib import Path
from threading import Event

from edge_agent.config import PrusaLinkConfig
from edge_agent.drivers.base import PrinterInfo
from edge_agent.drivers.polled.device import Reply, Unseen
from edge_agent.drivers.polled.driver import PolledDriver
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.parts import number, part
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.probe import INFO, require_serial, visit
from edge_agent.drivers.prusalink.state import seen_in
from edge_agent.drivers.prusalink.storage import FILES, UPLOADS, PrusaStorage
from edge_agent.execution import Rooms

STATUS, JOB = "/api/v1/status", "/api/v1/job"
CONSISTENCY_TRIES = 3


class PrusaLink:
    """One printer."""

    brand = "PrusaLink"
    extensions = (".gcode", ".bgcode", ".gco")

    def __init__(self, line: Line, serial: str) -> None:
        self.storage = PrusaStorage(line)
        self._line = line
        self._serial = serial
        self._nozzle_diameter: float | None = None

    def look(self, first: bool) -> Look:
        """Status and job are two requests: they are repeated until both are about the same job. Raises Unseen."""
        if first:
            info = part(self._line.reach(INFO).content)
            require_serial(self._serial, info.get("serial"))
            self._nozzle_diameter = number(info.get("nozzle_diameter"))
        for _ in range(CONSISTENCY_TRIES):
            answer = self._line.reach(STATUS)
            if not answer.is_good:
                raise Unseen(f"the printer does not tell its status: {answer.complaint}")
            status = part(answer.content)
            seen = seen_in(status, {}, self._nozzle_diameter)
            if not seen.has_job:
                return seen
            answer = self._line.reach(JOB)
            job = part(answer.content)
            if answer.status == 200 and job.get("id") == seen.job_id:
                return seen_in(status, job, self._nozzle_diameter)
        raise Unseen("the printer does not tell what it prints")

    def size_of(self, name: str) -> int:
        """The bytes of an uploaded file. Raises StorageFailed."""
        return self.storage.find(f"{UPLOADS}/{name}").size

    def upload(self, source: Path, name: str, check: Callable[[], None]) -> None:
        """Write a start's file, before any other. Raises StorageFailed, LineBroken."""
        self.storage.send_first(source, name, lambda _sent: check())

    def start(self, name: str) -> Reply:
        """Print an uploaded file."""
        return self._line.order("POST", f"{FILES}{UPLOADS}/{name}")

    def stop(self, job: str) -> Reply:
        """End the job of this number."""
        return self._line.order("DELETE", f"{JOB}/{job}")

    def pause(self, job: str) -> Reply:
        """Pause the job of this number."""
        return self._line.order("PUT", f"{JOB}/{job}/pause")

    def resume(self, job: str) -> Reply:
        """Resume the job of this number."""
        return self._line.order("PUT", f"{JOB}/{job}/resume")

    def introduce(self, check: Callable[[], None]) -> PrinterInfo:
        """Ask the printer who it is. Raises ConnectionFailed."""
        return visit(self._line, self._serial, check)


def driver(printer: PrusaLinkConfig, rooms: Rooms, changed: Event) -> PolledDriver:
    """The driver of a printer of the configuration."""
    line = Line(printer.address, printer.http_port, printer.access_code, rooms.timing, printer.username)
    return PolledDriver(printer, PrusaLink(line, printer.serial), rooms, changed)
