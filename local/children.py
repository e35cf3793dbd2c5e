"""The stack's child processes: started with a log file each, watched, ended in order."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil

from local.log_files import last_lines, records
from local.processes import Process

ROOT = Path(__file__).resolve().parents[1]
POLL = 0.05

T = TypeVar("T")


class StackError(RuntimeError):
    """A part of the stack does not start, or ended; the message names it and shows the end of its log."""


class Child:
    """One Python module of ours as a process; standard output and errors go to `<logs>/<name>.log`."""

    def __init__(
        self, name: str, module: str, arguments: list[str], logs: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log_file = logs / f"{name}.log"
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = dict(environment)
        self._process = self._start()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process's own id. Raises StackError where it has ended."""
        for guardian in psutil.Process().children():
            for process in _children(guardian):
                if process.cmdline() == self._command:
                    return process.pid
        raise StackError(f"{self.name} is not running")

    def records(self) -> list[Mapping[str, Any]]:
        """What it has logged so far."""
        return list(records(self.log_file))

    def check(self) -> None:
        """Raises StackError where it has ended."""
        if not self.running:
            raise StackError(
                f"{self.name} ended with code {self._process.returncode}; the end of {self.log_file}:\n"
                f"{last_lines(self.log_file)}"
            )

    def wait_for(self, what: str, probe: Callable[[], T | None], seconds: float) -> T:
        """The first answer of `probe` that is not None. Raises StackError where it ends first, or takes too long."""
        deadline = time.monotonic() + seconds
        while True:
            answer = probe()
            if answer is not None:
                return answer
            self.check()
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name}: {what} took more than {seconds:.0f} s; the end of {self.log_file}:\n"
                    f"{last_lines(self.log_file)}"
                )
            time.sleep(POLL)

    def wait_for_event(self, event: str, seconds: float) -> Mapping[str, Any]:
        """The first log line of that event."""

        def find() -> Mapping[str, Any] | None:
            return next((record for record in records(self.log_file) if record.get("event") == event), None)

        return self.wait_for(event, find, seconds)

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.stop()

    def end(self) -> None:
        """Asks it to end, without waiting."""
        self._process.end()

    def stop(self) -> None:
        """Ends it and waits until it is gone."""
        self._process.stop()

    def restart(self) -> None:
        """Starts it again after `kill` or `stop`; the log goes on."""
        self._process.stop()
        self._process = self._start()

    def _start(self) -> Process:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            return Process(self._command, environment=self._environment, folder=ROOT, output=log)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
