"""What concerns the print that runs: pause, resume, its speed and flow, objects to leave out, an error shown."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from edge_agent.drivers.bambu.commands.plans import (
    Metadata,
    Obstacle,
    Plan,
    Request,
    Wanted,
    always,
    gcode,
    only_while_printing,
    parse,
)
from edge_agent.drivers.bambu.state import Picture

SPEED_LEVELS = {1: 50, 2: 100, 3: 124, 4: 166}
MAX_OBJECTS = 64
"""As many as the maker's own program skips at a time."""
STOP = Request("print", "stop", {"param": ""})

_SKIPPABLE = frozenset({"RUNNING", "PAUSE"})


class _Speed(Metadata):
    percent: Annotated[float, Field(ge=1, le=200)]


class _Flow(Metadata):
    percent: Annotated[float, Field(ge=50, le=200)]


class _Objects(Metadata):
    object_ids: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1, max_length=MAX_OBJECTS)
    ]


def pause() -> Plan:
    """Pause the print."""
    return _control("pause", "paused", lambda picture: picture.gcode_state == "PAUSE", only_while_printing)


def resume() -> Plan:
    """Go on with it."""
    going = ("RUNNING", "PREPARE")
    return _control("resume", "resumed", lambda picture: picture.gcode_state in going, only_while_printing)


def set_speed(data: Mapping[str, Any]) -> Plan:
    """The nearest of the printer's four speeds."""
    percent = parse(_Speed, data).percent
    level = min(SPEED_LEVELS, key=lambda candidate: abs(SPEED_LEVELS[candidate] - percent))
    return Plan(
        always(Request("print", "print_speed", {"param": str(level)})),
        f"the speed is {SPEED_LEVELS[level]} %",
        lambda picture: picture.speed_level == level,
        repeatable=True,
    )


def set_flow_rate(data: Mapping[str, Any]) -> Plan:
    """There is no request for it and no report shows it: the acknowledgement of the G-code is all there is."""
    percent = parse(_Flow, data).percent
    done = f"the printer accepted a flow rate of {percent:.0f} %; its report does not show it"
    return Plan(always(gcode(f"M221 S{percent:.0f}")), done, None, repeatable=False)


def skip_objects(data: Mapping[str, Any]) -> Plan:
    """Leave these objects of the running print out, by their ids in the file; what is left out stays so."""
    ids = frozenset(parse(_Objects, data).object_ids)

    def obstacle(picture: Picture) -> str | None:
        if picture.gcode_state not in _SKIPPABLE:
            return "nothing is printing" if not picture.active else "the print has not begun yet"
        return None if picture.skips_objects else "this printer's firmware cannot skip objects"

    return Plan(
        always(Request("print", "skip_objects", {"obj_list": sorted(ids)})),
        f"{len(ids)} object{'s are' if len(ids) > 1 else ' is'} left out",
        lambda picture: picture.active and ids <= (picture.skipped or frozenset()),
        repeatable=False,
        obstacle=obstacle,
    )


def clear_error() -> Plan:
    """Take away the error that the printer shows, whichever it is then."""

    def request(picture: Picture) -> Request:
        fields = {"subtask_id": picture.subtask_id or "0", "print_error": picture.print_error}
        return Request("print", "clean_print_error", fields)

    return Plan(request, "no error is shown", lambda picture: picture.print_error == 0, repeatable=True)


def _control(word: str, done: str, wanted: Wanted, obstacle: Obstacle) -> Plan:
    return Plan(always(Request("print", word, {"param": ""})), done, wanted, repeatable=True, obstacle=obstacle)
