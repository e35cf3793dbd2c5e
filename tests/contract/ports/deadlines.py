"""Waiting for something to become so, with a deadline."""

import time
from collections.abc import Callable


def eventually(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Returns once `holds()` is true; fails after `seconds`."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not become so in time"
        time.sleep(0.01)
