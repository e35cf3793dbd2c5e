"""Looks at one printer again and again, and whenever somebody asks; what is seen is seen in order."""

import threading
import time
from collections.abc import Callable

from edge_agent.config import Timing
from edge_agent.drivers.problems import Problem
from edge_agent.drivers.prusalink.line import NOT_REACHABLE, KeyRefused, Line, LineFailed
from edge_agent.drivers.prusalink.state import Snapshot, number, snapshot
from edge_agent.logs import log
from edge_agent.supervision import supervised

STATUS, JOB, INFO = "/api/v1/status", "/api/v1/job", "/api/v1/info"
CONSISTENCY_TRIES = 3
LONGEST_SERIAL = 64
"""Of what is passed on; anybody may answer there, with anything."""


class WrongPrinter(LineFailed):
    """Another printer answers at the address."""


def require_serial(wanted: str, found: object) -> None:
    """Raise WrongPrinter where the printer names another serial number; one that names none is believed."""
    if wanted and isinstance(found, str) and found and found.casefold() != wanted.casefold():
        raise WrongPrinter(f"another printer answers at this address: {found[:LONGEST_SERIAL]}, not {wanted}")


class Session:
    """`snapshot` is what was seen last, `ready` whether it was seen at the last attempt, `problem` why not."""

    def __init__(
        self,
        serial: str,
        line: Line,
        timing: Timing,
        stopping: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.serial = serial
        self.snapshot = Snapshot()
        self.ready = False
        self.problem = NOT_REACHABLE
        self.refused = False
        """Whether the printer answers, and is not to be talked to: the key or the serial number is wrong."""
        self.on_snapshot: Callable[[Snapshot, bool], None] = lambda _snapshot, _first: None
        self._line = line
        self._monotonic = monotonic
        self._unready_since: float | None = monotonic()
        self.trouble: Problem | None = None
        """What was the matter at the last look."""
        self._timing = timing
        self._stopping = stopping
        self._closed = threading.Event()
        self._looking = threading.Lock()
        self._nozzle_diameter: float | None = None
        self._thread = threading.Thread(target=self._loop, name=f"prusalink-{serial}", daemon=True)

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Begin to end."""
        self._closed.set()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so long."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def unready_for(self) -> float:
        """For how many seconds it has not been ready."""
        since = self._unready_since
        return 0.0 if since is None else self._monotonic() - since

    def look(self) -> Snapshot | None:
        """Look at the printer now and tell `on_snapshot`; None where it cannot be seen (`problem`).

        Must not be called with the job desk's gate held: whoever is told takes it.
        """
        with self._looking:
            first = not self.ready
            try:
                if first:
                    self._get_to_know()
                seen = self._see()
            except LineFailed as error:
                self._lose(error)
                return None
            if self._closed.is_set():
                return None
            if first:
                log("printer_connected", printerSerial=self.serial)
            self.snapshot = seen
            self.ready, self.refused = True, False
            self.trouble = self._unready_since = None
            self.on_snapshot(seen, first)
            return seen

    def rest(self) -> bool:
        """Wait a moment before the next look of a command; whether the agent stops."""
        return self._stopping.wait(min(self._timing.poll, 1.0))

    def _loop(self) -> None:
        supervised(f"prusalink-{self.serial}", self._closed, self._step)

    def _step(self) -> None:
        self.look()
        self._closed.wait(self._timing.refused_retry if self.refused else self._timing.poll)

    def _get_to_know(self) -> None:
        info = self._line.get(INFO).content
        require_serial(self.serial, info.get("serial"))
        self._nozzle_diameter = number(info.get("nozzle_diameter"))

    def _see(self) -> Snapshot:
        """Status and job are two requests: they are repeated until both are about the same job."""
        for _ in range(CONSISTENCY_TRIES):
            answer = self._line.get(STATUS)
            if not answer.is_good:
                raise LineFailed(f"the printer does not tell its status: {answer.complaint}")
            seen = snapshot(answer.content, {}, self._nozzle_diameter)
            if not seen.has_job:
                return seen
            job = self._line.get(JOB)
            if job.status == 200 and job.content.get("id") == seen.job_id:
                return snapshot(answer.content, job.content, self._nozzle_diameter)
        raise LineFailed("the printer does not tell what it prints")

    def _lose(self, error: LineFailed) -> None:
        refused = isinstance(error, KeyRefused | WrongPrinter)
        if self.ready or str(error) != self.problem:
            log("printer_lost", "WARNING", printerSerial=self.serial, reason=str(error))
        self.problem = str(error)
        self.refused = refused
        self.ready = False
        self.trouble = _trouble(error)
        if self._unready_since is None:
            self._unready_since = self._monotonic()


def _trouble(error: LineFailed) -> Problem:
    if isinstance(error, KeyRefused):
        return Problem("access_code_refused", f"{error}; its screen shows the right one under PrusaLink")
    if isinstance(error, WrongPrinter):
        return Problem("wrong_serial", str(error))
    return Problem("unreachable", str(error), passing=True)
