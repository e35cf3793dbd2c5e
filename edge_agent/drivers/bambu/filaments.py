"""What filament a printer has loaded, and whether a start finds in it what it needs.

A slot is named as `ams_mapping` names it: AMS * 4 + tray; the AMS HT, whose ids begin at 128, by its id; 254 is the
external spool (protocol notes, sections B and C).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.drivers.bambu.numbers import flags, integer, number, objects, text, within

EXTERNAL = 254
EXTERNAL_NAMES = frozenset({254, 255})
"""What requests and reports call the external spool."""
TRAYS = 4
EMPTY = 255
"""In reports: no filament."""
HT_BASE = 128
HT_BIT = 4
"""AMS HT number n (id 128 + n) has bit 4 + n in `ams_exist_bits` and bit 16 + n in `tray_exist_bits` (recorded)."""
NAME_LIMIT = 64

_COLOUR = re.compile(r"#?([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?")


@dataclass(frozen=True, slots=True)
class Filament:
    """One loaded spool. `color` is #RRGGBB, empty where the printer names none; `remain` in percent, where known."""

    slot: int
    kind: str
    color: str
    remain: int | None = None

    def wire(self) -> dict[str, Any]:
        """As the status has it."""
        known = {"slot": self.slot, "type": self.kind, "color": self.color or None, "remain": self.remain}
        return {name: value for name, value in known.items() if value is not None}

    @property
    def identity(self) -> tuple[int, str, str]:
        """What makes it another one when it changes; what is left of it does not."""
        return self.slot, self.kind, self.color


def loaded(raw: Mapping[str, Any]) -> tuple[Filament, ...] | None:
    """The loaded filaments in a merged report, by slot; None where it says nothing about them."""
    ams = raw.get("ams")
    external = _external_spools(raw)
    if not isinstance(ams, Mapping) and external is None:
        return None
    found = {each.slot: each for each in _ams_trays(ams if isinstance(ams, Mapping) else {})}
    spool = next((each for each in map(_external, external or ()) if each is not None), None)
    if spool is not None:
        found[EXTERNAL] = spool
    return tuple(found[slot] for slot in sorted(found))


def nozzle_diameter(raw: Mapping[str, Any]) -> float | None:
    """The nozzle's diameter in mm; of two nozzles the right one's."""
    value: Any = raw.get("nozzle_diameter")
    if value in (None, ""):
        entries = objects(within(raw, "device", "nozzle", "info"))
        first = min(entries, key=lambda entry: integer(entry.get("id")) or 0, default={})
        value = first.get("diameter")
    diameter = number(value)
    return round(diameter, 3) if diameter is not None and 0 < diameter < 10 else None


def unit_of(slot: int) -> tuple[int, int]:
    """The AMS that a slot belongs to, and the slot's place in it; an AMS HT has one place."""
    return (slot, 0) if slot >= HT_BASE else divmod(slot, TRAYS)


def slot_at(unit: int, place: int) -> int | None:
    """The slot at a place of an AMS as the extruder's report names it; None where that names no filament."""
    if unit in EXTERNAL_NAMES:
        return None if unit == place == EMPTY else EXTERNAL
    if place == EMPTY:
        return None
    return unit if unit >= HT_BASE else unit * TRAYS + place


def tray_slot(value: Any) -> int | None:
    """The slot that a tray's number names (`tray_now`); None where it names no filament."""
    tray = integer(value)
    return None if tray is None or tray < 0 or tray >= EMPTY else tray


def slot_name(slot: int) -> str:
    """The slot as the printer's screen calls it."""
    if slot in EXTERNAL_NAMES:
        return "the external spool"
    if slot >= HT_BASE:
        return f"AMS slot HT-{_letter(slot - HT_BASE)}"
    return f"AMS slot {_letter(slot // TRAYS)}{slot % TRAYS + 1}"


def plain_color(color: str) -> str:
    """#RRGGBB, upper-case, of RRGGBB or RRGGBBAA with or without #; empty for anything else."""
    seen = _COLOUR.fullmatch(color.strip())
    return f"#{seen[1].upper()}" if seen else ""


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _ams_trays(ams: Mapping[str, Any]) -> Iterator[Filament]:
    unit_bits, tray_bits = flags(ams.get("ams_exist_bits")), flags(ams.get("tray_exist_bits"))
    for unit in objects(ams.get("ams")):
        unit_id = integer(unit.get("id"))
        if unit_id is None or unit_id < 0:
            continue
        is_ht = unit_id >= HT_BASE
        if not _has(unit_bits, HT_BIT + unit_id - HT_BASE if is_ht else unit_id):
            continue
        for tray in objects(unit.get("tray")):
            index = integer(tray.get("id"))
            if index is None or not 0 <= index < (1 if is_ht else TRAYS):
                continue
            slot = unit_id if is_ht else unit_id * TRAYS + index
            bit = HT_BIT * TRAYS + unit_id - HT_BASE if is_ht else slot
            if _has(tray_bits, bit) and (filament := _filament(slot, tray, measured=True)) is not None:
                yield filament


def _external_spools(raw: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """What the report says of external spools: the main one (255 where there are two) first; None for nothing."""
    slots = objects(raw.get("vir_slot"))
    if slots:
        return sorted(slots, key=lambda slot: -(integer(slot.get("id")) or 0))
    tray = raw.get("vt_tray")
    return [tray] if isinstance(tray, Mapping) else None


def _external(tray: Mapping[str, Any]) -> Filament | None:
    """Nothing measures what is left of the external spool: printers report 0."""
    return _filament(EXTERNAL, tray, measured=False)


def _filament(slot: int, tray: Mapping[str, Any], *, measured: bool) -> Filament | None:
    """The spool in a tray; None for an empty one, which has an id alone or no type."""
    kind = text(tray.get("tray_type")).strip()[:NAME_LIMIT]
    if not kind:
        return None
    remain = integer(tray.get("remain")) if measured else None
    return Filament(
        slot,
        kind,
        plain_color(text(tray.get("tray_color"))),
        remain if remain is not None and 0 <= remain <= 100 else None,
    )


def _has(bits: int | None, number: int) -> bool:
    """Whether the flag is set; without flags everything that is reported is there."""
    return bits is None or bool(bits >> number & 1)
