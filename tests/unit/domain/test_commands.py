"""The vocabulary: every name that callers use finds its command, and its metadata by every name that clients send."""

from datetime import timedelta

import pytest

from printpipe.domain.commands import TYPES, parse_order, plain_name
from printpipe.domain.errors import InvalidInput

NAMES = {
    "pause": "pause",
    "resume": "resume",
    "stop": "stop",
    "cancel": "stop",
    "heat": "set_temperature",
    "setHeat": "set_temperature",
    "cool": "cooldown",
    "cooldown": "cooldown",
    "coolDown": "cooldown",
    "start_print": "start_print",
    "start": "start_print",
    "download": "download",
    "camera_on": "camera_on",
    "camera_off": "camera_off",
    "set_speed": "set_speed",
    "speed": "set_speed",
    "set_fan": "set_fan",
    "fan": "set_fan",
    "home": "home",
    "light_on": "light_on",
    "light_off": "light_off",
    "load_filament": "load_filament",
    "unload_filament": "unload_filament",
    "move": "move",
    "jog": "move",
    "sendGcode": "send_gcode",
    "pause_print": "pause",
    "resume_print": "resume",
    "stop_print": "stop",
    "cancel_print": "stop",
    "set_temperature": "set_temperature",
    "set_bed_temp": "set_temperature",
    "set_nozzle_temp": "set_temperature",
    "set_chamber_temp": "set_temperature",
    "home_all": "home",
    "home_x": "home",
    "home_y": "home",
    "home_z": "home",
    "set_fan_speed": "set_fan",
    "set_print_speed": "set_speed",
    "set_flow_rate": "set_flow_rate",
    "custom_gcode": "send_gcode",
    "skip_objects": "skip_objects",
    "clear_error": "clear_error",
    "calibrate": "calibrate",
    "timelapse_on": "timelapse_on",
    "timelapse_off": "timelapse_off",
    "snapshot": "snapshot",
    "take_snapshot": "snapshot",
    "take_picture": "snapshot",
}
METADATA: dict[str, dict[str, object]] = {
    "set_temperature": {"nozzleTemp": 220, "bedTemp": 60},
    "set_bed_temp": {"target": 60},
    "set_nozzle_temp": {"target": 220},
    "set_chamber_temp": {"target": 45},
    "set_speed": {"speedPercent": 50},
    "set_fan": {"fanPercent": 0},
    "set_flow_rate": {"percent": 95},
    "send_gcode": {"gcode": "G28"},
    "start_print": {"fileName": "a.3mf"},
    "download": {"fileName": "a.3mf"},
    "move": {"x": 10},
    "skip_objects": {"objectIds": [7]},
    "calibrate": {"bedLevel": True},
}


def _metadata(asked: str) -> dict[str, object]:
    return METADATA.get(asked, METADATA.get(NAMES[asked], {}))


def _spellings(name: str) -> set[str]:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    first, *others = snake.split("_")
    return {name, snake, snake.replace("_", "-"), first + "".join(each.capitalize() for each in others)}


def _read(asked: str, metadata: dict[str, object]) -> dict[str, object]:
    return parse_order(asked, metadata, ()).canonical_metadata()


SPELLED = [(each, name) for name in NAMES for each in sorted(_spellings(name))]


@pytest.mark.parametrize(("asked", "name"), SPELLED)
def test_finds_the_command(asked: str, name: str) -> None:
    order = parse_order(asked, _metadata(name), ())
    assert order.type.name == NAMES[name]
    assert order.asked_as == asked


def test_every_command_has_a_name_here() -> None:
    assert set(NAMES.values()) == set(TYPES)


@pytest.mark.parametrize("asked", ["", " ", "explode", "list_files", "fetch_file", "send_file", "test_connection"])
def test_nothing_else_is_a_command(asked: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order(asked, {}, ())
    assert refused.value.field == "commandType"


def test_camera_takes_its_state_from_the_metadata() -> None:
    assert parse_order("camera", {"cameraState": "off"}, ()).type.name == "camera_off"
    assert parse_order("camera", {"camera_state": "on"}, ()).asked_as == "camera_on"
    assert parse_order("camera", {"cameraState": "snapshot"}, ()).type.name == "snapshot"


def test_a_polling_client_knows_a_command_by_the_names_it_was_built_with() -> None:
    shown = {asked: plain_name(asked) for asked in NAMES}
    assert {asked: name for asked, name in shown.items() if asked != name} == {
        "pause_print": "pause",
        "resume_print": "resume",
        "stop_print": "stop",
        "cancel_print": "cancel",
        "set_temperature": "heat",
        "set_bed_temp": "heat",
        "set_nozzle_temp": "heat",
        "set_chamber_temp": "heat",
        "home_all": "home",
        "home_x": "home",
        "home_y": "home",
        "home_z": "home",
        "set_fan_speed": "set_fan",
        "set_print_speed": "set_speed",
        "custom_gcode": "sendGcode",
    }
    assert plain_name("setBedTemp") == "heat"


def test_stops_and_what_protects_a_machine_have_their_own_lane() -> None:
    assert {each.name for each in TYPES.values() if each.lane == "priority"} == {"stop", "pause", "cooldown"}
    assert {parse_order(name, {}, ()).type.lane for name in ("stop_print", "cancelPrint", "pause-print")} == {
        "priority"
    }


def test_each_command_stays_worth_executing_for_so_long() -> None:
    minutes = {"start_print": 10, "download": 10, "stop": 10, "pause": 2, "resume": 2, "snapshot": 2}
    assert {each.name: each.lifetime for each in TYPES.values()} == {
        name: timedelta(minutes=minutes.get(name, 1)) for name in TYPES
    }


def test_metadata_gets_its_canonical_names_and_loses_what_is_unknown() -> None:
    assert _read("speed", {"speedPercent": 50, "unknown": 1}) == {"percent": 50.0}
    start = {"fileName": "a.3mf", "plateIndex": 2, "useAms": True, "amsMapping": [0, -1], "enable_timelapse": False}
    assert _read("start_print", start) == start


def test_a_start_says_which_filament_each_slot_must_hold() -> None:
    wanted = [{"slot": 3, "type": "PETG", "color": "#2FA36B"}, {"slot": 254, "type": "PLA"}]
    start: dict[str, object] = {"fileName": "a.3mf", "amsMapping": [3], "expectedFilaments": wanted}
    assert _read("start_print", start) == start
    assert _read("start_print", {"fileName": "a.3mf", "expected_filaments": wanted})["expectedFilaments"] == wanted
    without_colour = [{"slot": 3, "type": "PETG", "color": None}]
    read = _read("start_print", {"fileName": "a.3mf", "expectedFilaments": without_colour})
    assert read["expectedFilaments"] == [{"slot": 3, "type": "PETG"}]


@pytest.mark.parametrize(
    ("expected", "field"),
    [
        ("PLA", ""),
        ([{"slot": -1, "type": "PLA"}], ".0.slot"),
        ([{"slot": "0", "type": "PLA"}], ".0.slot"),
        ([{"slot": 0}], ".0.type"),
        ([{"slot": 0, "type": " "}], ".0.type"),
        ([{"slot": 0, "type": "PLA", "color": "red"}], ".0.color"),
        ([{"slot": 0, "type": "PLA"}] * 65, ""),
    ],
)
def test_a_wrong_expectation_is_named(expected: object, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order("start_print", {"fileName": "a.3mf", "expectedFilaments": expected}, ())
    assert refused.value.field == f"metadata.expectedFilaments{field}"


@pytest.mark.parametrize(
    ("asked", "metadata", "read"),
    [
        ("heat", {"nozzleTemp": 220, "bedTemp": 60.5}, {"nozzleTemp": 220.0, "bedTemp": 60.5}),
        ("heat", {"nozzle_temp": 0, "chamber-temp": 40}, {"nozzleTemp": 0.0, "chamberTemp": 40.0}),
        ("heat", {"nozzle": 200, "bedTemperature": 50}, {"nozzleTemp": 200.0, "bedTemp": 50.0}),
        ("heat", {"nozzleTemp": None, "bedTemp": 60}, {"bedTemp": 60.0}),
        ("set_bed_temp", {"target": 60}, {"bedTemp": 60.0}),
        ("set_bed_temp", {"bed_temp": 60, "nozzleTemp": 200}, {"bedTemp": 60.0}),
        ("setNozzleTemp", {"target": 220, "nozzleTemp": 220}, {"nozzleTemp": 220.0}),
        ("set-chamber-temp", {"temperature": 65}, {"chamberTemp": 65.0}),
        ("set_speed", {"percent": 10}, {"percent": 10.0}),
        ("set_print_speed", {"speed": 300}, {"percent": 300.0}),
        ("set_print_speed", {"print_speed": 100}, {"percent": 100.0}),
        ("set_fan", {"percent": 0}, {"percent": 0.0, "fan": "part"}),
        ("fan", {"fanPercent": 100, "fan": "aux"}, {"percent": 100.0, "fan": "aux"}),
        ("set_fan_speed", {"fan_percent": 30}, {"percent": 30.0, "fan": "part"}),
        ("set_fan_speed", {"speed": 30}, {"percent": 30.0, "fan": "part"}),
        ("set_flow_rate", {"percent": 50}, {"percent": 50.0}),
        ("setFlowRate", {"flow_rate": 200}, {"percent": 200.0}),
        ("home_x", {}, {"axes": "x"}),
        ("home-z", {"axes": "x"}, {"axes": "z"}),
        ("home_all", {"axes": "x"}, {}),
        ("home", {"axes": "xy"}, {"axes": "xy"}),
        ("jog", {"x": -10, "feedrate": 600}, {"x": -10.0, "feedrate": 600.0}),
        ("move", {"e": 5, "feed_rate": 120}, {"e": 5.0, "feedrate": 120.0}),
        ("sendGcode", {"gcode": " M104 S200 "}, {"gcode": "M104 S200"}),
        ("custom_gcode", {"command": "G28"}, {"gcode": "G28"}),
        ("load_filament", {"slot": 16}, {"slot": 16}),
        ("load_filament", {"slot": 128}, {"slot": 128}),
        ("unload_filament", {"slot_number": 254}, {"slot": 254}),
        ("heat", {"nozzleTemp": 200, "nozzle_index": 1}, {"nozzleTemp": 200.0, "nozzleIndex": 1}),
        ("set_fan", {"percent": 30, "fan": "aux2"}, {"percent": 30.0, "fan": "aux2"}),
        ("skip_objects", {"object-ids": [7, 0]}, {"objectIds": [7, 0]}),
        ("skipObjects", {"obj_list": [7]}, {"objectIds": [7]}),
        (
            "calibrate",
            {"bed_levelling": True, "motor_noise": False, "nozzle-offset": True},
            {"bedLevel": True, "motorNoise": False, "nozzleOffset": True},
        ),
        ("timelapse-on", {}, {}),
        ("take_picture", {"reason": "for the customer"}, {"reason": "for the customer"}),
        ("stop", {"printJobId": "job-1"}, {"printJobId": "job-1"}),
        ("cancel_print", {"print_job_id": "job-1"}, {"printJobId": "job-1"}),
        ("start", {"file_name": "a.3mf", "plate_index": 1}, {"fileName": "a.3mf", "plateIndex": 1}),
        (
            "start_print",
            {"fileName": "a.3mf", "enableTimelapse": True},
            {"fileName": "a.3mf", "enable_timelapse": True},
        ),
        (
            "start_print",
            {"fileName": "a.3mf", "unencryptedData": {"printJobId": "1", "productName": "Vase", "productId": "P"}},
            {"fileName": "a.3mf", "unencryptedData": {"printJobId": "1", "productName": "Vase", "productId": "P"}},
        ),
        ("download", {"file_id": "f-1", "jobId": "j-1"}, {"fileId": "f-1", "jobId": "j-1"}),
        ("download", {"url": "https://example.org/a.3mf"}, {"url": "https://example.org/a.3mf"}),
        ("pause", {"reason": "filament change"}, {"reason": "filament change"}),
    ],
)
def test_metadata_is_read_by_every_name(asked: str, metadata: dict[str, object], read: dict[str, object]) -> None:
    assert _read(asked, metadata) == read


@pytest.mark.parametrize(
    ("asked", "metadata", "field"),
    [
        ("start_print", {"fileName": "a.3mf", "amsMapping": [0, "1"]}, "amsMapping.1"),
        ("set_bed_temp", {"target": 121}, "target"),
        ("set_bed_temp", {"bed_temp": 121}, "bed_temp"),
        ("set_bed_temp", {"nozzleTemp": 60}, "target"),
        ("set_fan_speed", {"fan_percent": 101}, "fan_percent"),
        ("set_speed", {"percent": 100, "speedPercent": 300}, "speedPercent"),
        ("set_speed", {"percent": None}, "percent"),
        ("custom_gcode", {"command": "M112"}, "command"),
        ("load_filament", {"slot": 127}, "slot"),
        ("load_filament", {"slot_number": 136}, "slot_number"),
        ("heat", {"nozzleTemp": 200, "nozzleIndex": 2}, "nozzleIndex"),
        ("set_fan", {"percent": 30, "fan": "desk"}, "fan"),
        ("skip_objects", {}, "objectIds"),
        ("skip_objects", {"objectIds": []}, "objectIds"),
        ("skip_objects", {"objectIds": ["7"]}, "objectIds.0"),
        ("skip_objects", {"objectIds": [-1]}, "objectIds.0"),
        ("skip_objects", {"objectIds": [1] * 65}, "objectIds"),
        ("calibrate", {"bedLevel": "yes"}, "bedLevel"),
    ],
)
def test_a_wrong_value_is_named_as_its_sender_does(asked: str, metadata: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order(asked, metadata, ())
    assert refused.value.field == f"metadata.{field}"


@pytest.mark.parametrize("metadata", [{}, {"bedLevel": False}, {"unknown": True}])
def test_a_calibration_says_of_what(metadata: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="needs bedLevel, vibration, motorNoise or nozzleOffset"):
        parse_order("calibrate", metadata, ())


def test_a_deployment_adds_gcode() -> None:
    assert parse_order("sendGcode", {"gcode": "M117 hello"}, {"M117"}).canonical_metadata() == {"gcode": "M117 hello"}
