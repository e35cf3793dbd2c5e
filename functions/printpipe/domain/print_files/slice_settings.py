"""How a file was sliced, from the slicer's own settings as they stand in G-code and in a 3MF's project settings.

Names are those of Bambu Studio and OrcaSlicer and of PrusaSlicer; a setting for each filament is a list by slot.
"""

import json
import re
from collections.abc import Mapping

from printpipe.domain.print_files import values
from printpipe.domain.print_files.model import SliceSettings

_LAYER_HEIGHT = ("layer_height",)
_INFILL = ("sparse_infill_density", "fill_density")
_SPEED = ("inner_wall_speed", "perimeter_speed")
_NOZZLE = ("nozzle_temperature", "temperature")
_SUPPORTS = ("enable_support", "support_material")
_VENDOR = "filament_vendor"
_PLATE = "curr_bed_type"
_BED_OF_PLATE = {
    "cool plate": "cool_plate_temp",
    "cool plate (supertack)": "supertack_plate_temp",
    "engineering plate": "eng_plate_temp",
    "high temp plate": "hot_plate_temp",
    "textured pei plate": "textured_plate_temp",
}
_BED = ("bed_temperature",)

NAMES = frozenset(
    {*_LAYER_HEIGHT, *_INFILL, *_SPEED, *_NOZZLE, *_SUPPORTS, _VENDOR, _PLATE, *_BED, *_BED_OF_PLATE.values()}
)
"""The settings that are read."""

_PARTS = re.compile(r"[;,]")
_FILAMENTS = 64
_LONGEST = 4_096
_THICKEST = 10.0
_FASTEST = 10_000.0
_HOTTEST = 1_000.0
_TRUTHS = {"1": True, "true": True, "0": False, "false": False}


def of_project(data: bytes) -> dict[str, str]:
    """Those of `Metadata/project_settings.config`, which is JSON; none where it cannot be read."""
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(parsed, dict):
        return {}
    found = {name: _text(parsed[name]) for name in sorted(NAMES & parsed.keys())}
    return {name: text for name, text in found.items() if text is not None}


def read(said: Mapping[str, str], slot: int) -> SliceSettings | None:
    """What the settings say of a print whose main filament has that slot, from 1; None where they say nothing."""
    bed = _BED_OF_PLATE.get(said.get(_PLATE, "").strip().strip('"').lower())
    found = SliceSettings(
        layer_height=_number(said, _LAYER_HEIGHT, 1, _THICKEST) or None,
        infill=_number(said, _INFILL, 1, 100.0),
        print_speed=_number(said, _SPEED, 1, _FASTEST) or None,
        nozzle_temperature=_number(said, _NOZZLE, slot, _HOTTEST),
        bed_temperature=_number(said, (bed,) if bed else _BED, slot, _HOTTEST),
        supports=next(
            (_TRUTHS[word] for name in _SUPPORTS if (word := said.get(name, "").strip().lower()) in _TRUTHS), None
        ),
    )
    return found if found != SliceSettings() else None


def vendor(said: Mapping[str, str], slot: int) -> str | None:
    """Who made the filament of that slot, from 1."""
    parts = said.get(_VENDOR, "").split(";")[:_FILAMENTS]
    return values.text(parts[slot - 1].strip()) if 0 < slot <= len(parts) else None


def _number(said: Mapping[str, str], names: tuple[str, ...], slot: int, most: float) -> float | None:
    """The number under the first of these names that stands there, of that slot or of all."""
    for name in names:
        if name in said:
            parts = _PARTS.split(said[name])[:_FILAMENTS]
            part = parts[slot - 1] if 0 < slot <= len(parts) else parts[0]
            number = values.number(part.strip().strip('"').removesuffix("%"))
            return number if number is not None and number <= most else None
    return None


def _text(value: object) -> str | None:
    """A setting as G-code has it: the parts of a list one after the other."""
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, list) and all(isinstance(each, str) for each in value[:_FILAMENTS]):
        return ";".join(value[:_FILAMENTS])[:_LONGEST]
    return None
