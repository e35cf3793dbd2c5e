"""The nozzles of a printer that reports each of them, and packed temperatures (section C of the protocol notes)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.drivers.bambu.filaments import slot_at
from edge_agent.drivers.bambu.numbers import integer, objects, within

NO_FILAMENT = 0xFFFF
_HALF = 0xFFFF
_PLAIN_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Nozzle:
    """One nozzle: 0 is the right one, or the only one. `slot` is where its filament comes from, None for none."""

    index: int
    current: float | None
    target: float | None
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Extruders:
    """All of them; `slots` is None where no extruder says what filament it holds."""

    nozzles: tuple[Nozzle, ...]
    active: int | None
    slots: frozenset[int] | None

    @property
    def current(self) -> float | None:
        """The temperature of the nozzle in use."""
        used = self._used()
        return None if used is None else used.current

    @property
    def target(self) -> float | None:
        """The target of the nozzle in use."""
        used = self._used()
        return None if used is None else used.target

    def _used(self) -> Nozzle | None:
        return next((each for each in self.nozzles if each.index == (self.active or 0)), None)


def extruders(raw: Mapping[str, Any]) -> Extruders:
    """What `device.extruder` says; nothing of a printer without it."""
    told = [
        (index, each)
        for each in objects(within(raw, "device", "extruder", "info"))
        if (index := integer(each.get("id"))) is not None
    ]
    filled = [integer(each.get("snow")) for _, each in told]
    nozzles = tuple(
        Nozzle(index, *unpacked(each.get("temp")), None if snow is None else _slot(snow))
        for (index, each), snow in zip(told, filled, strict=True)
    )
    state = integer(within(raw, "device", "extruder", "state"))
    known = any(snow is not None for snow in filled)
    slots = frozenset(each.slot for each in nozzles if each.slot is not None)
    return Extruders(nozzles, None if state is None else state >> 4 & 0xF, slots if known else None)


def unpacked(value: Any) -> tuple[float | None, float | None]:
    """Current and target: above 500 the low and the high 16 bits; below, the current one, with no target set."""
    packed = integer(value)
    if packed is None:
        return None, None
    return (float(packed & _HALF), float(packed >> 16)) if packed > _PLAIN_LIMIT else (float(packed), 0.0)


def _slot(snow: int) -> int | None:
    return None if snow == NO_FILAMENT else slot_at(snow >> 8 & 0xFF, snow & 0xFF)
