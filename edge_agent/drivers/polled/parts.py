"""What is looked for in a printer's JSON, whatever is found there instead."""

from collections.abc import Mapping
from typing import Any

LARGEST = 2**53


def part(whole: Any, *names: str) -> Mapping[str, Any]:
    """The object under these names, one within the other; an empty one where there is none."""
    for name in names:
        whole = whole.get(name) if isinstance(whole, Mapping) else None
    return whole if isinstance(whole, Mapping) else {}


def items(whole: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects of the list under this name."""
    listed = whole.get(name) if isinstance(whole, Mapping) else None
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []


def number(value: Any) -> float | None:
    """A finite number; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < LARGEST else None


def integer(value: Any) -> int | None:
    """A number without its fraction; None for everything else."""
    return None if (found := number(value)) is None else int(found)


def text(value: Any) -> str:
    """Text that every program can write on: the halves of cut characters are replaced; empty for no text."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
