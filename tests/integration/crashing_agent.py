"""The real agent, which kills itself with SIGKILL when a new command reaches a chosen step.

    python -m tests.integration.crashing_agent --config PATH --kill-at STEP [--spare ID …]

The commands that `--spare` names may pass the step: they are those that earlier runs of the agent left behind.
"""

import argparse
import os
import signal
from collections.abc import Collection
from pathlib import Path

from edge_agent.agent import run
from edge_agent.config import load
from edge_agent.drivers import brands
from edge_agent.steps import Observer, Step


def killer(step: Step, spared: Collection[str]) -> Observer:
    """An observer that ends the process at once when a command that is not spared reaches the step."""

    def observe(reached: Step, command_id: str) -> None:
        if reached is step and command_id not in spared:
            os.kill(os.getpid(), signal.SIGKILL)

    return observe


def main() -> None:
    """Run the agent until it is killed, by itself or by a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--kill-at", type=Step, required=True)
    parser.add_argument("--spare", nargs="*", default=[])
    arguments = parser.parse_args()
    known = {name: brand.config for name, brand in brands.installed().items()}
    run(load(arguments.config, known), observer=killer(arguments.kill_at, arguments.spare))


if __name__ == "__main__":
    main()
