"""The agent in a process of its own: at full counts a Python of its own as well, else a fork of one that is loaded.

What starting Python and importing the agent takes is then paid once for each test process, not for each agent.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, Protocol

from tests.counts import SOAK

ROOT = Path(__file__).parents[2]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    ["pytest", "edge_agent.agent", "edge_agent.cli", "edge_agent.drivers.brands", "tests.integration.agent_process"]
)


class AgentProcess(Protocol):
    """What the tests use of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    @property
    def returncode(self) -> int | None:
        """How it ended, once that was looked at: -n by signal n."""
        ...

    def poll(self) -> int | None:
        """How it ended, or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, once it has. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        ...

    def send_signal(self, sig: int) -> None:
        """Sends it a signal."""
        ...

    def terminate(self) -> None:
        """Asks it to end."""
        ...

    def kill(self) -> None:
        """Ends it."""
        ...


def start(module: str, arguments: Sequence[str], log: IO[bytes]) -> AgentProcess:
    """`python -m module arguments…` in the project's folder, in the environment as it is now; it writes to `log`."""
    if SOAK:
        return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=log, stderr=log)
    return _Fork(module, arguments, log)


class _Fork:
    def __init__(self, module: str, arguments: Sequence[str], log: IO[bytes]) -> None:
        given = (module, list(arguments), dict(os.environ), log.name)
        self._process: ForkServerProcess = _forks.Process(target=_run, args=given, daemon=True)
        self._process.start()
        self.returncode: int | None = None

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("the agent", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """In the fork: becomes what `python -m` had begun."""
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    os.close(output)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
