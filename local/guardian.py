"""Stands beside one child process and ends it when the pipe on stdin closes: the kernel closes it however we die.

Run as a script with the standard library alone: `guardian.py GRACE_SECONDS COMMAND…`. It exits as its child does,
with 128 + n after signal n.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

_PR_SET_PDEATHSIG = 1


def _die_with_guardian() -> None:
    """Linux: the kernel kills the child should the guardian itself be killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(child: "subprocess.Popen[bytes]", grace: float) -> None:
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()


def main(grace: float, command: list[str]) -> int:
    """Runs the command; returns its exit code."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_guardian if sys.platform == "linux" else None,
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=_end, args=(child, grace)).start())

    def watch() -> None:
        sys.stdin.buffer.read()
        _end(child, grace)

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    # Not sys.exit: the watching thread may still hold stdin's lock.
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
