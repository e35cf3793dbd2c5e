"""The real agent, which kills itself with SIGKILL at a chosen step.

    python -m tests.integration.crashing_agent --config PATH --kill-at STEP[:n] [--command ID]

`n` is the occurrence of the step that kills (the first by default); with `--command` only that command's count.
"""

import argparse
import os
import signal
import threading
from pathlib import Path

from edge_agent.agent import run
from edge_agent.config import load
from edge_agent.steps import Observer, Step


def killer(step: Step, occurrence: int, command_id: str | None) -> Observer:
    """An observer that ends the process at once when the step comes the n-th time."""
    lock = threading.Lock()
    seen = 0

    def observe(reached: Step, reached_by: str) -> None:
        nonlocal seen
        if reached is not step or (command_id is not None and reached_by != command_id):
            return
        with lock:
            seen += 1
            if seen == occurrence:
                os.kill(os.getpid(), signal.SIGKILL)

    return observe


def main() -> None:
    """Run the agent until it is killed, by itself or by a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--kill-at", required=True)
    parser.add_argument("--command", default=None)
    arguments = parser.parse_args()
    name, _, occurrence = arguments.kill_at.partition(":")
    observer = killer(Step(name), int(occurrence or "1"), arguments.command)
    run(load(arguments.config), observer=observer)


if __name__ == "__main__":
    main()
