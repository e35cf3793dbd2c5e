"""Numbers and texts out of reports, whose firmware writes numbers as text, or impossible ones."""

import math
from typing import Any

LARGEST = 2**63


def number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) < LARGEST else None


def integer(value: Any) -> int | None:
    """A number without its fraction; None for anything else."""
    found = number(value)
    return None if found is None else int(found)


def text(value: Any) -> str:
    """Text that every program can write on: the halves of cut characters are replaced."""
    return str(value or "").encode("utf-8", "replace").decode()
