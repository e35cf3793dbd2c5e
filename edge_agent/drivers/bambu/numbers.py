"""Values out of reports, whose firmware writes numbers as text, or impossible ones."""

import math
from collections.abc import Mapping
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


def flags(value: Any) -> int | None:
    """Flags written as hexadecimal text; None where they are missing or no such text."""
    try:
        return int(str(value), 16) if value not in (None, "") else None
    except ValueError:
        return None


def within(value: Any, *path: str) -> Any:
    """What stands at the end of the path through objects; None where it ends before."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; whatever else stands in it, or in its place, is left out."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
