"""How often a repeated test repeats: a few times in `make test`, as often as promised in `make soak`."""

import os

SOAK = os.environ.get("SOAK") == "1"


def count(soak: int, *, quick: int) -> int:
    """The number of repetitions for this run."""
    return soak if SOAK else quick
