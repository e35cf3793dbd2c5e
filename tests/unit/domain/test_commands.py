"""The vocabulary: every name that callers use finds its command."""

import pytest

from printpipe.domain.commands import TYPES, parse_order
from printpipe.domain.errors import InvalidInput

NAMES = {
    "pause": "pause",
    "resume": "resume",
    "stop": "stop",
    "cancel": "stop",
    "heat": "set_temperature",
    "setHeat": "set_temperature",
    "set-heat": "set_temperature",
    "cool": "cooldown",
    "cooldown": "cooldown",
    "coolDown": "cooldown",
    "start_print": "start_print",
    "startPrint": "start_print",
    "start-print": "start_print",
    "camera_on": "camera_on",
    "cameraOff": "camera_off",
    "set_speed": "set_speed",
    "speed": "set_speed",
    "setFan": "set_fan",
    "fan": "set_fan",
    "home": "home",
    "light_on": "light_on",
    "light-off": "light_off",
    "loadFilament": "load_filament",
    "unload_filament": "unload_filament",
    "move": "move",
    "jog": "move",
    "sendGcode": "send_gcode",
    "send_gcode": "send_gcode",
}
METADATA: dict[str, dict[str, object]] = {
    "set_temperature": {"nozzleTemp": 220, "bedTemp": 60},
    "set_speed": {"speedPercent": 50},
    "set_fan": {"fanPercent": 0},
    "send_gcode": {"gcode": "G28"},
    "start_print": {"fileName": "a.3mf"},
}


@pytest.mark.parametrize("asked", NAMES)
def test_finds_the_command(asked: str) -> None:
    order = parse_order(asked, METADATA.get(NAMES[asked], {}))
    assert order.type.name == NAMES[asked]
    assert order.asked_as == asked


def test_every_command_has_a_name_here() -> None:
    assert set(NAMES.values()) == set(TYPES)


def test_camera_takes_its_state_from_the_metadata() -> None:
    assert parse_order("camera", {"cameraState": "off"}).type.name == "camera_off"


def test_stops_and_what_protects_a_machine_have_their_own_lane() -> None:
    assert {each.name for each in TYPES.values() if each.lane == "priority"} == {"stop", "pause", "cooldown"}


def test_metadata_gets_its_canonical_names_and_loses_what_is_unknown() -> None:
    assert parse_order("speed", {"speedPercent": 50, "unknown": 1}).canonical_metadata() == {"percent": 50.0}
    start = {"fileName": "a.3mf", "plateIndex": 2, "useAms": True, "amsMapping": [0, -1], "enable_timelapse": False}
    assert parse_order("start_print", start).canonical_metadata() == start


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order("start_print", {"fileName": "a.3mf", "amsMapping": [0, "1"]})
    assert refused.value.field == "metadata.amsMapping.1"
