"""How long to wait before the next attempt: doubling, capped, with full jitter over the upper half."""

import random
from collections.abc import Callable

FIRST_SECONDS = 0.5
CEILING_SECONDS = 60.0


def delay(
    attempt: int,
    *,
    first: float = FIRST_SECONDS,
    ceiling: float = CEILING_SECONDS,
    draw: Callable[[], float] = random.random,
) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1); `draw` gives a number in [0, 1)."""
    doublings = min(max(attempt, 1) - 1, 32)
    span = min(first * 2.0**doublings, ceiling)
    return span / 2 + draw() * span / 2
