"""Looks at one printer again and again, and whenever somebody asks; what is seen is seen in order."""

import threading
import time
from collections.abc import Callable

from edge_agent.config import Timing
from edge_agent.drivers.polled.device import Device, Unseen
from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.problems import Problem
from edge_agent.logs import log
from edge_agent.supervision import supervised

NOT_REACHABLE = "the printer is not reachable"


class Session:
    """`snapshot` is what was seen last, `ready` whether it was seen at the last attempt, `problem` why not."""

    def __init__(
        self,
        serial: str,
        device: Device,
        timing: Timing,
        stopping: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.serial = serial
        self.snapshot = Look()
        self.ready = False
        self.problem = NOT_REACHABLE
        self.refused = False
        """Whether the printer answers, and is not to be talked to."""
        self.on_snapshot: Callable[[Look, bool], None] = lambda _snapshot, _first: None
        self.trouble: Problem | None = None
        """What was the matter at the last look."""
        self._device = device
        self._monotonic = monotonic
        self._unready_since: float | None = monotonic()
        self._timing = timing
        self._stopping = stopping
        self._closed = threading.Event()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name=f"polled-{serial}", daemon=True)

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

    def look(self) -> Look | None:
        """Look at the printer now and tell `on_snapshot`; None where it cannot be seen (`problem`).

        Must not be called with the job desk's gate held: whoever is told takes it.
        """
        with self._looking:
            first = not self.ready
            try:
                seen = self._device.look(first)
            except Unseen as error:
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
        supervised(f"polled-{self.serial}", self._closed, self._step)

    def _step(self) -> None:
        self.look()
        self._closed.wait(self._timing.refused_retry if self.refused else self._timing.poll)

    def _lose(self, error: Unseen) -> None:
        if self.ready or str(error) != self.problem:
            log("printer_lost", "WARNING", printerSerial=self.serial, reason=str(error))
        self.problem = str(error)
        text = f"{error}; {error.advice}" if error.advice else str(error)
        self.trouble = Problem(error.reason, text, passing=not error.refused)
        self.refused = error.refused
        self.ready = False
        if self._unready_since is None:
            self._unready_since = self._monotonic()
