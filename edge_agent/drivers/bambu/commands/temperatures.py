"""Targets of nozzles, bed and chamber."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from edge_agent.drivers.bambu.commands.plans import Metadata, Plan, Request, gcode, parse, wrong
from edge_agent.drivers.bambu.models import Capabilities
from edge_agent.drivers.bambu.state import BED_BIT, Picture
from edge_agent.execution import Refused

TOLERANCE = 0.6
HEATING_DUCT_ABOVE = 40
"""°C: for a warmer chamber the air duct heats, else it cools (M145; protocol notes, section B)."""


class _Targets(Metadata):
    nozzle_temp: Annotated[float, Field(ge=0, le=350)] | None = None
    nozzle_index: Annotated[int, Field(ge=0, le=1)] | None = None
    bed_temp: Annotated[float, Field(ge=0, le=120)] | None = None
    chamber_temp: Annotated[float, Field(ge=0, le=65)] | None = None


def set_temperature(data: Mapping[str, Any], printer: Capabilities) -> Plan:
    """°C by heater. `nozzleIndex` is 0 for the right nozzle, 1 for the left one; without it the one in use is meant."""
    wish = parse(_Targets, data)
    _refuse_beyond(wish, printer)
    nozzles: dict[int | None, float] = {}
    if wish.nozzle_temp is not None:
        nozzles[wish.nozzle_index if printer.nozzles > 1 else None] = wish.nozzle_temp
    if not nozzles and wish.bed_temp is None and wish.chamber_temp is None:
        raise wrong("no temperature is given")
    return _plan(nozzles, wish.bed_temp, wish.chamber_temp, printer)


def cooldown(printer: Capabilities) -> Plan:
    """Every heater that the printer has, off."""
    nozzles: dict[int | None, float] = (
        {None: 0.0} if printer.nozzles == 1 else dict.fromkeys(range(printer.nozzles), 0.0)
    )
    return _plan(nozzles, 0.0, None if printer.chamber_heater is None else 0.0, printer)


def _refuse_beyond(wish: _Targets, printer: Capabilities) -> None:
    heater = printer.chamber_heater
    if wish.chamber_temp is not None and heater is None:
        raise Refused("this printer has no chamber heater")
    if wish.chamber_temp is not None and heater is not None and wish.chamber_temp > heater.limit:
        raise Refused(f"this printer's chamber goes to {heater.limit} °C")
    if wish.nozzle_index is not None and wish.nozzle_index >= printer.nozzles:
        raise Refused("this printer has one nozzle")
    if wish.nozzle_temp is not None and wish.nozzle_temp > printer.nozzle_limit:
        raise Refused(f"this printer's nozzle goes to {printer.nozzle_limit} °C")
    if wish.bed_temp is not None and wish.bed_temp > printer.bed_limit:
        raise Refused(f"this printer's bed goes to {printer.bed_limit} °C")


def _plan(nozzles: Mapping[int | None, float], bed: float | None, chamber: float | None, printer: Capabilities) -> Plan:
    lines = [f"M104 {'' if index is None else f'T{index} '}S{target:.0f}" for index, target in nozzles.items()]
    if bed is not None:
        lines.append(f"M140 S{bed:.0f}")
    if chamber is not None and printer.chamber_heater is not None:
        lines += _chamber(chamber, air_duct=printer.chamber_heater.air_duct)

    def request(picture: Picture) -> Request:
        if bed is not None and len(lines) == 1 and picture.offers(BED_BIT):
            return Request("print", "set_bed_temp", {"temp": round(bed)})
        return gcode(*lines)

    def wanted(picture: Picture) -> bool:
        return (
            all(_is(_target(picture, index), target) for index, target in nozzles.items())
            and (bed is None or _is(picture.bed_target, bed))
            and (chamber is None or picture.chamber_target is None or _is(picture.chamber_target, chamber))
        )

    hidden = chamber is not None
    return Plan(request, "the targets are set", wanted, repeatable=True, already=not hidden, acknowledged=hidden)


def _chamber(target: float, *, air_duct: bool) -> list[str]:
    heat = f"M141 S{target:.0f}"
    if not air_duct:
        return [heat]
    return ["M145 P1", heat] if target > HEATING_DUCT_ABOVE else [heat, "M145 P0"]


def _target(picture: Picture, index: int | None) -> float | None:
    nozzle = None if index is None else picture.nozzle_at(index)
    return picture.nozzle_target if nozzle is None else nozzle.target


def _is(target: float | None, wish: float) -> bool:
    return target is not None and abs(target - round(wish)) < TOLERANCE
