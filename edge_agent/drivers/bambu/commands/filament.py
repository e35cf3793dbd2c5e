"""Loading and unloading filament, by slot (protocol notes, section B)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from edge_agent.drivers.bambu.commands.plans import Metadata, Plan, Request, always, only_while_idle, parse, wrong
from edge_agent.drivers.bambu.filaments import EMPTY, EXTERNAL, EXTERNAL_NAMES, HT_BASE, TRAYS, slot_name, unit_of
from edge_agent.drivers.bambu.models import Capabilities
from edge_agent.drivers.bambu.state import AMS_CHANGING, Picture
from edge_agent.execution import Refused

MAX_UNITS = 4
HOT = 180
"""°C: filament is drawn back at the nozzle's own temperature from here on, else at UNLOAD_TEMPERATURE."""
UNLOAD_TEMPERATURE = 210
BY_THE_AMS = -1
"""As a temperature: what the AMS knows of the filament."""
EXTERNAL_UNIT = 255


class _Slot(Metadata):
    slot: Annotated[int, Field(ge=1, le=EMPTY)] | None = None


def load(data: Mapping[str, Any], printer: Capabilities) -> Plan:
    """Load from one slot: 1 to 16 are those of the AMS, an AMS HT has its own id, 254 is the external spool."""
    slot = _slot(parse(_Slot, data).slot)
    if slot is None:
        raise wrong(f"slot: name the AMS slot, from 1 on, or {EXTERNAL} for the external spool")
    if slot != EXTERNAL and slot >= HT_BASE and "ams_ht" not in printer.ams:
        raise Refused("this printer has no AMS HT")
    busy = only_while_idle("load filament")

    def obstacle(picture: Picture) -> str | None:
        if (reason := busy(picture)) is not None:
            return reason
        if picture.filaments is None:
            return "the printer does not say which filaments are loaded"
        there = any(filament.slot == slot for filament in picture.filaments)
        return None if there else f"{slot_name(slot)} is empty, or nobody has said what it holds"

    return Plan(
        always(_change(slot, slot)),
        f"{slot_name(slot)} is loaded",
        lambda picture: _rests(picture) and slot in (picture.in_nozzles or ()),
        repeatable=False,
        obstacle=obstacle,
        slow=True,
    )


def unload(data: Mapping[str, Any]) -> Plan:
    """Unload what is in the nozzle; where a slot is named, only filament of that one."""
    named = _slot(parse(_Slot, data).slot)
    busy = only_while_idle("unload filament")

    def held(picture: Picture) -> int | None:
        slot = _in_use(picture)
        return slot if named in (None, slot) else None

    def request(picture: Picture) -> Request:
        current = round(picture.nozzle or 0.0)
        return _change(held(picture), EMPTY, current if current >= HOT else UNLOAD_TEMPERATURE)

    def obstacle(picture: Picture) -> str | None:
        if (reason := busy(picture)) is not None:
            return reason
        if picture.in_nozzles is None:
            return "the printer does not say which filament is in its nozzle"
        return "no such filament is in the nozzle" if held(picture) is None else None

    return Plan(
        request,
        "the nozzle is empty" if named is None else f"{slot_name(named)} is not in the nozzle",
        lambda picture: _rests(picture) and picture.in_nozzles is not None and held(picture) is None,
        repeatable=False,
        obstacle=obstacle,
        slow=True,
    )


def _slot(number: int | None) -> int | None:
    """The slot as reports name it. The product counts those of the AMS from 1. Raises Refused for none."""
    if number is None:
        return None
    if number in EXTERNAL_NAMES:
        return EXTERNAL
    if number >= HT_BASE:
        return number
    if number <= MAX_UNITS * TRAYS:
        return number - 1
    raise wrong(f"slot: the AMS has slots 1 to {MAX_UNITS * TRAYS}")


def _rests(picture: Picture) -> bool:
    return picture.ams_action != AMS_CHANGING


def _in_use(picture: Picture) -> int | None:
    """The slot whose filament is in the nozzle in use, or in the only one."""
    nozzle = None if picture.active_nozzle is None else picture.nozzle_at(picture.active_nozzle)
    if nozzle is not None and len(picture.nozzles) > 1:
        return nozzle.slot
    return min(picture.in_nozzles or (), default=None)


def _change(source: int | None, target: int, temperature: int = BY_THE_AMS) -> Request:
    """From or to which AMS, and which filament is to be in the nozzle; 255 is none."""
    unit, place = (EXTERNAL_UNIT, EXTERNAL) if source in (None, EXTERNAL) else unit_of(source)
    fields = {
        "ams_id": unit,
        "slot_id": EMPTY if target == EMPTY else place,
        "target": target,
        "curr_temp": temperature,
        "tar_temp": temperature,
    }
    return Request("print", "ams_change_filament", fields)
