"""Completes what a print file says of how much filament its plates use; types, colours and slots stay as they are."""

import math
from collections.abc import Sequence

from printpipe.domain.filaments import numbered, type_of
from printpipe.domain.file_records import Filament, Plate
from printpipe.domain.print_files import Extruded

_USUAL_DENSITIES = {
    "PLA": 1.24, "PLA+": 1.24, "PETG": 1.27, "ABS": 1.04, "ASA": 1.07, "TPU": 1.21, "PC": 1.2, "PA": 1.14,
}  # fmt: skip
"""g/cm³, where the slicer does not know it."""
_USUAL_DIAMETER = 1.75
_MOST_METRES = 10_000


def is_complete(plate: Plate) -> bool:
    """Whether the weight of every filament is said that the plate is known to use."""
    return all(each.used_g for each in plate.filament)


def completed(plate: Plate, extruded: Extruded) -> Plate:
    """The plate with the lengths and weights that its file leaves out, as its moves and materials tell."""
    alone = len(plate.filament) == 1
    filament = []
    for slot, each in numbered(plate).items():
        length = extruded.total if alone else extruded.millimetres.get(slot, 0.0)
        metres = each.used_m or (round(length / 1000, 4) if 0 < length <= 1000 * _MOST_METRES else None)
        grams = each.used_g or (plate.weight_g if alone else None) or _grams(metres, each, slot, extruded)
        filament.append(each.model_copy(update={"used_m": metres, "used_g": grams or each.used_g}))
    weights = [each.used_g for each in filament]
    whole = round(math.fsum(weight or 0 for weight in weights), 3) if all(weights) else None
    return plate.model_copy(update={"filament": tuple(filament), "weight_g": plate.weight_g or whole})


def _grams(metres: float | None, filament: Filament, slot: int, extruded: Extruded) -> float | None:
    density = _of_slot(extruded.densities, slot) or _USUAL_DENSITIES.get(type_of(filament.type) or "")
    if metres is None or density is None:
        return None
    diameter = _of_slot(extruded.diameters, slot) or _USUAL_DIAMETER
    return round(metres * math.pi / 4 * diameter**2 * density, 3)


def _of_slot(said: Sequence[float], slot: int) -> float | None:
    return said[slot - 1] or None if 0 < slot <= len(said) else None
