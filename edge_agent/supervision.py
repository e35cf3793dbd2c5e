"""Loops that outlive what goes wrong in one round of them."""

import threading
from collections.abc import Callable

from edge_agent.logs import log_exception

REST_SECONDS = 1.0
"""The pause after a round that raised."""


def supervised(name: str, stopping: threading.Event, step: Callable[[], None]) -> None:
    """Run `step` again and again until `stopping`. What it raises is logged, and the loop goes on a second later."""
    while not stopping.is_set():
        try:
            step()
        except Exception as error:
            log_exception("loop_failed", error, loop=name)
            stopping.wait(REST_SECONDS)
