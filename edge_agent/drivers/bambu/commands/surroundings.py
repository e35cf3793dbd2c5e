"""Fans, lamps and the camera's recordings."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from edge_agent.drivers.bambu.commands.plans import Metadata, Plan, Request, Wanted, always, gcode, parse
from edge_agent.drivers.bambu.models import Capabilities, FanName
from edge_agent.drivers.bambu.state import Picture
from edge_agent.execution import Refused

FAN_TOLERANCE_PERCENT = 7.0
"""The report has sixteen steps of 6.7 %."""

_FAN_WORDS: Mapping[FanName, str] = {
    "part": "part fan",
    "aux": "auxiliary fan",
    "aux2": "second auxiliary fan",
    "chamber": "chamber fan",
}


class _Fan(Metadata):
    percent: Annotated[float, Field(ge=0, le=100)]
    fan: Annotated[FanName, BeforeValidator(lambda value: value or "part")] = "part"


def set_fan(data: Mapping[str, Any], printer: Capabilities) -> Plan:
    """A fan's speed in percent; a print's own G-code may set another one at any moment."""
    wish = parse(_Fan, data)
    missing = f"this printer has no {_FAN_WORDS[wish.fan]}"
    number = printer.fans.get(wish.fan)
    if number is None:
        raise Refused(missing)
    return Plan(
        always(gcode(f"M106 P{number} S{round(wish.percent * 255 / 100)}")),
        f"the {_FAN_WORDS[wish.fan]} is at {wish.percent:.0f} %",
        lambda picture: abs(picture.fans.get(wish.fan, -100.0) - wish.percent) <= FAN_TOLERANCE_PERCENT,
        repeatable=True,
        obstacle=lambda picture: missing if picture.air_duct and wish.fan not in picture.fans else None,
        already=False,
    )


def light(mode: str, printer: Capabilities) -> Plan:
    """The lamps on or off. The first is in every printer of the model; others are told besides."""
    first, *others = printer.lights

    def wanted(picture: Picture) -> bool:
        known = [node for node in others if node in picture.lights]
        return all(picture.lights.get(node) == mode for node in (first, *known))

    return Plan(
        always(_lamp(first, mode)),
        f"the light is {mode}",
        wanted,
        repeatable=True,
        companions=tuple(_lamp(node, mode) for node in others),
    )


def recording(*, on: bool) -> Plan:
    """Whether the camera records. What it shows live can be switched at the printer's screen alone."""
    return _switch("ipcam_record_set", "recording", lambda picture: picture.recording is on, on=on)


def timelapse(*, on: bool) -> Plan:
    """Whether prints are made timelapses of."""
    return _switch("ipcam_timelapse", "the timelapse", lambda picture: picture.timelapse is on, on=on)


def _switch(command: str, what: str, wanted: Wanted, *, on: bool) -> Plan:
    request = Request("camera", command, {"control": "enable" if on else "disable"})
    return Plan(always(request), f"{what} is {'on' if on else 'off'}", wanted, repeatable=True)


def _lamp(node: str, mode: str) -> Request:
    fields = {
        "led_node": node,
        "led_mode": mode,
        "led_on_time": 500,
        "led_off_time": 500,
        "loop_times": 0,
        "interval_time": 0,
    }
    return Request("system", "ledctrl", fields)
