"""What is loaded into a simulated printer: AMS units, their spools, the external spool, and the nozzle.

A slot is a number as in `ams_mapping`: AMS * 4 + tray, an AMS HT's id (from 128), or 254 for the external spool.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

EXTERNAL = 254
HT_BASE = 128
TRAYS = 4
_UNITS = frozenset({*range(4), *range(HT_BASE, HT_BASE + 8)})
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class Spool:
    """One spool: its material, its colour as #RRGGBB, and what is left of it in percent, -1 where unknown."""

    type: str
    color: str
    remain: int = -1


@dataclass(frozen=True)
class Filaments:
    """The AMS units that are attached, the spools by slot, and the nozzle's diameter in mm."""

    units: tuple[int, ...]
    loaded: Mapping[int, Spool]
    nozzle_diameter: float = 0.4

    @classmethod
    def parse(cls, setup: Mapping[str, Any], before: Self | None = None) -> Self:
        """The filaments that a JSON object names; what it leaves out stays as in `before`.

        `loaded` lists {"slot", "type", "color", "remain"?} and replaces all spools, `units` lists the AMS ids (those
        of the slots belong to them in any case), `nozzle_diameter` is in mm. Raises ValueError for anything else.
        """
        unknown = setup.keys() - {"loaded", "units", "nozzle_diameter"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: loaded, units, nozzle_diameter")
        kept = before or cls((), {})
        loaded = dict(map(_spool, _list(setup, "loaded"))) if "loaded" in setup else kept.loaded
        named = _list(setup, "units") if "units" in setup else kept.units
        units = {*named, *(unit_of(slot) for slot in loaded if slot != EXTERNAL)}
        if not units <= _UNITS:
            raise ValueError("an AMS is 0 to 3, an AMS HT 128 to 135")
        diameter = setup.get("nozzle_diameter", kept.nozzle_diameter)
        if isinstance(diameter, bool) or not isinstance(diameter, int | float) or not 0 < diameter < 2:
            raise ValueError("nozzle_diameter is in mm")
        return cls(tuple(sorted(units)), loaded, float(diameter))

    def describe(self) -> dict[str, Any]:
        """The JSON object that `parse` reads."""
        loaded = [{"slot": slot, **vars(spool)} for slot, spool in sorted(self.loaded.items())]
        return {"units": list(self.units), "loaded": loaded, "nozzle_diameter": self.nozzle_diameter}


def unit_of(slot: int) -> int:
    """The AMS that a slot belongs to."""
    return slot if slot >= HT_BASE else slot // TRAYS


def slots_of(unit: int) -> Sequence[int]:
    """The slots of an AMS: four, or the one of an AMS HT."""
    return [unit] if unit >= HT_BASE else range(unit * TRAYS, (unit + 1) * TRAYS)


_AMS = {0: Spool("PLA", "#FFFFFF", 80), 1: Spool("PLA", "#161616", 80), 2: Spool("PETG", "#2FA36B", 80)}
AMS_ALONE = Filaments((0,), _AMS)
"""One AMS with two spools of PLA, one of PETG and an empty tray; nothing on the external holder."""
AMS_AND_EXTERNAL = Filaments((0,), {**_AMS, EXTERNAL: Spool("PLA", "#FFFFFF")})
"""The same with PLA on the external holder."""


def _list(setup: Mapping[str, Any], name: str) -> list[Any]:
    value = setup[name]
    if not isinstance(value, list):
        raise ValueError(f"{name} is a list")
    return value


def _spool(entry: Any) -> tuple[int, Spool]:
    if not isinstance(entry, dict) or not {"slot", "type", "color"} <= entry.keys() <= {*_SPOOL}:
        raise ValueError(f"a spool has {', '.join(_SPOOL)}; remain may be left out")
    slot, kind, color, remain = entry["slot"], entry["type"], entry["color"], entry.get("remain", -1)
    if type(slot) is not int or slot < 0 or (slot != EXTERNAL and unit_of(slot) not in _UNITS):
        raise ValueError(f"no such slot: {slot!r}")
    if not isinstance(kind, str) or not kind:
        raise ValueError("type names the material")
    if not isinstance(color, str) or not _COLOUR.fullmatch(color):
        raise ValueError("color is #RRGGBB")
    if type(remain) is not int or not -1 <= remain <= 100:
        raise ValueError("remain is in percent, -1 where unknown")
    return slot, Spool(kind, color.upper(), remain)


_SPOOL = ("slot", "type", "color", "remain")
