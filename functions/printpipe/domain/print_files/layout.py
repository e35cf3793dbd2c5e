"""A plate's layout, `Metadata/plate_<n>.json`, as Bambu Studio and OrcaSlicer write it."""

import json
import math
from dataclasses import dataclass
from typing import Any

from printpipe.domain.print_files import values


@dataclass(frozen=True)
class Footprint:
    """How much of the plate a print takes, in mm: along x and along y."""

    width: float
    depth: float


def read_footprint(data: bytes) -> Footprint | None:
    """What `bbox_all` says, the box around everything on the plate: its left, front, right and back; else None."""
    try:
        layout = json.loads(data)
    except (ValueError, RecursionError):
        return None
    box = layout.get("bbox_all") if isinstance(layout, dict) else None
    if not isinstance(box, list) or len(box) != 4 or not all(_is_place(each) for each in box):
        return None
    left, front, right, back = (float(each) for each in box)
    width, depth = values.extent(left, right), values.extent(front, back)
    return Footprint(width, depth) if width and depth else None


def _is_place(value: Any) -> bool:
    """A whole number may be too large to become another."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return (whole and abs(value) < 1e9) or (isinstance(value, float) and math.isfinite(value))
