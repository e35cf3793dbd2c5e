"""Child processes that never outlive us: ended by id, and ended too where we are killed without a chance to."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

_GUARDIAN = Path(__file__).with_name("guardian.py")


class Process:
    """A command under a small guardian process, which ends it (SIGTERM, then SIGKILL) when asked or when we die."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        output: IO[bytes] | int | None = subprocess.DEVNULL,
        errors: IO[bytes] | int | None = subprocess.STDOUT,
        grace: float = 3.0,
    ) -> None:
        """`environment` is added to ours; `grace` is how many seconds lie between SIGTERM and SIGKILL."""
        self.command = tuple(command)
        self._grace = grace
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARDIAN), str(grace), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            # Of its own, so that a Ctrl-C in the terminal reaches us alone and we end things in order.
            start_new_session=True,
        )

    @property
    def stdout(self) -> IO[bytes] | None:
        """The command's output, where `output` was `subprocess.PIPE`."""
        return self._guardian.stdout

    @property
    def returncode(self) -> int | None:
        """How it ended (128 + n by signal n), or None while it runs."""
        return self._guardian.poll()

    def end(self) -> None:
        """Asks it to end, without waiting."""
        if self._guardian.stdin:
            with contextlib.suppress(OSError):
                self._guardian.stdin.close()

    def stop(self) -> None:
        """Ends it and waits until it is gone; safe to call twice."""
        self.end()
        try:
            self._guardian.wait(self._grace + 5)
        except subprocess.TimeoutExpired:
            self._guardian.kill()
            self._guardian.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
