"""What moves the printer: homing, moves, calibration, and G-code of the caller's own.

The firmware guards its end stops only on homed axes, and homing Z alone can drive the bed of a printer whose bed rises
into the toolhead (protocol notes, section B).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from edge_agent.drivers.bambu.commands.plans import (
    Metadata,
    Plan,
    Request,
    always,
    gcode,
    only_while_idle,
    parse,
    wrong,
)
from edge_agent.drivers.bambu.models import Calibration, Capabilities
from edge_agent.drivers.bambu.state import AXIS_BITS, HOMING_BIT, Picture
from edge_agent.execution import Refused

BED_ONLY_HOMING = re.compile(r"(?<![A-Z])G\s*0*28(?!\d)(?=.*Z)(?!.*[XY])", re.IGNORECASE)
GCODE_COMMENT = re.compile(r"\([^)]*\)|;.*")
EXTRUSION_TEMPERATURE = 170
"""°C: below it filament is too hard to be moved."""
OPTION_BITS: Mapping[Calibration, int] = {"bed_level": 1, "vibration": 2, "motor_noise": 3, "nozzle_offset": 4}
"""Bits in the request's `option` (protocol notes, section B)."""

_HOME = Request("print", "back_to_center", {})


class _Gcode(Metadata):
    gcode: Annotated[str, Field(min_length=1, max_length=4000)]


class _Move(Metadata):
    x: float | None = None
    y: float | None = None
    z: float | None = None
    e: Annotated[float, Field(ge=-200, le=200)] | None = None
    feedrate: Annotated[float, Field(gt=0, le=30000)] = 1500


class _Calibrate(Metadata):
    bed_level: bool = False
    vibration: bool = False
    motor_noise: bool = False
    nozzle_offset: bool = False


def home() -> Plan:
    """Home every axis; single ones are never homed."""

    def request(picture: Picture) -> Request:
        return _HOME if picture.offers(HOMING_BIT) else gcode("G28")

    return Plan(
        request,
        "homed",
        lambda picture: picture.homed is not False,
        repeatable=False,
        obstacle=only_while_idle("be homed"),
        already=False,
        settles=True,
    )


def move(data: Mapping[str, Any], printer: Capabilities) -> Plan:
    """A relative move in mm at mm/min, with the end stops guarded; no report shows where the toolhead is.

    Newer firmware's request of its own is not used: it knows steps of 1 and 10 mm alone, and no feed rate.
    """
    wish = parse(_Move, data)
    axes = {axis: distance for axis in AXIS_BITS if (distance := getattr(wish, axis)) is not None}
    if not axes and wish.e is None:
        raise wrong("no distance is given")
    for (axis, distance), side in ((item, printer.volume["xyz".index(item[0])]) for item in axes.items()):
        if abs(distance) > side:
            raise Refused(f"this printer moves {axis.upper()} by {side:.0f} mm at most")
    lines: list[str] = []
    if axes:
        way = " ".join(f"{axis.upper()}{distance:.1f}" for axis, distance in axes.items())
        lines += ["M211 S", "M211 X1 Y1 Z1", "M1002 push_ref_mode", "G91", f"G1 {way} F{wish.feedrate:.0f}"]
        lines += ["M1002 pop_ref_mode", "M211 R"]
    if wish.e is not None:
        lines += ["M83", f"G0 E{wish.e:.1f} F{wish.feedrate:.0f}"]
    busy = only_while_idle("be moved")

    def obstacle(picture: Picture) -> str | None:
        if (reason := busy(picture)) is not None:
            return reason
        needed = sum(AXIS_BITS[axis] for axis in axes)
        if axes and (picture.homed_axes is None or picture.homed_axes & needed != needed):
            return "the printer is not homed; home it first"
        if wish.e is not None and (picture.nozzle or 0.0) < EXTRUSION_TEMPERATURE:
            return f"the nozzle is too cold to move filament; heat it to {EXTRUSION_TEMPERATURE} °C at least"
        return None

    done = "the printer accepted the move; its report does not show where the toolhead is"
    return Plan(always(gcode(*lines)), done, None, repeatable=False, obstacle=obstacle)


def calibrate(data: Mapping[str, Any], printer: Capabilities) -> Plan:
    """Begin the printer's own calibration; it is done when that shows as a job of the printer's."""
    wish = parse(_Calibrate, data)
    chosen: list[Calibration] = [name for name in OPTION_BITS if getattr(wish, name)]
    if not chosen:
        raise wrong("no calibration is chosen")
    for name in chosen:
        if name not in printer.calibrations:
            raise Refused(f"this printer has no {name.replace('_', ' ')} calibration")
    option = sum(1 << OPTION_BITS[name] for name in chosen)
    return Plan(
        always(Request("print", "calibration", {"option": option})),
        "the calibration has begun",
        lambda picture: picture.active and picture.internal_job,
        repeatable=False,
        obstacle=only_while_idle("be calibrated"),
        already=False,
    )


def send_gcode(data: Mapping[str, Any]) -> Plan:
    """G-code as it was given; whether it had an effect only its sender can tell."""
    lines = [line.strip() for line in parse(_Gcode, data).gcode.splitlines() if line.strip()]
    if any(ord(character) < ord(" ") and character != "\t" for line in lines for character in line):
        raise wrong("gcode: it holds control characters")
    if any(BED_ONLY_HOMING.search(GCODE_COMMENT.sub("", line)) for line in lines):
        raise Refused("homing Z alone can drive the bed into the toolhead; use G28")
    if not lines:
        raise wrong("gcode: it is empty")
    return Plan(always(gcode(*lines)), "the printer accepted the G-code", None, repeatable=False)
