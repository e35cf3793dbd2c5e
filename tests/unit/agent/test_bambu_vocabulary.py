"""Every command on every model: what is sent, or why it is not; and when it must not be, and how its effect shows."""

from typing import Any

import pytest

from edge_agent.command import Command
from edge_agent.drivers.bambu.commands import Plan, plan
from edge_agent.drivers.bambu.commands.plans import Request
from edge_agent.drivers.bambu.extruders import Nozzle
from edge_agent.drivers.bambu.filaments import EXTERNAL, Filament
from edge_agent.drivers.bambu.models import MODELS
from edge_agent.drivers.bambu.state import BED_BIT, HOMING_BIT, SKIP_BIT, Picture
from edge_agent.execution import Refused

SERIALS = {model.name: f"{prefix}00A000000001" for prefix, model in MODELS.items()}
X1, P1, A = ("X1C", "X1E"), ("P1P", "P1S"), ("A1", "A1 mini", "A2L")
TWO_NOZZLES = ("X2D", "H2D", "H2D Pro", "H2C")
H2 = ("H2S", "H2D", "H2D Pro", "H2C")
DUCTS = ("P2S", "X2D", *H2)
ALL = (*X1, *P1, *A, "P2S", "X2D", *H2)
HOMED = Picture(gcode_state="IDLE", homed_axes=7, nozzle=25.0)


def command(kind: str, **metadata: Any) -> Command:
    return Command(command_id="c-1", command_type=kind, metadata=metadata)


def planned(model: str, kind: str, **metadata: Any) -> Plan:
    return plan(command(kind, **metadata), SERIALS[model])


def sent(request: Request) -> tuple[str, str, dict[str, Any]]:
    return request.section, request.command, dict(request.fields)


def lines(model: str, kind: str, picture: Picture = HOMED, **metadata: Any) -> list[str]:
    section, name, fields = sent(planned(model, kind, **metadata).request(picture))
    assert (section, name) == ("print", "gcode_line")
    assert fields["param"].endswith("\n")
    return str(fields["param"]).splitlines()


def test_these_are_all_models() -> None:
    assert set(ALL) == set(SERIALS)


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(
    ("kind", "metadata", "wanted"),
    [
        ("pause", {}, ("print", "pause", {"param": ""})),
        ("resume", {}, ("print", "resume", {"param": ""})),
        ("set_speed", {"percent": 100}, ("print", "print_speed", {"param": "2"})),
        ("set_flow_rate", {"percent": 95}, ("print", "gcode_line", {"param": "M221 S95\n"})),
        ("home", {"axes": "z"}, ("print", "gcode_line", {"param": "G28\n"})),
        ("send_gcode", {"gcode": "M400"}, ("print", "gcode_line", {"param": "M400\n"})),
        ("set_fan", {"percent": 100}, ("print", "gcode_line", {"param": "M106 P1 S255\n"})),
        ("camera_on", {}, ("camera", "ipcam_record_set", {"control": "enable"})),
        ("camera_off", {}, ("camera", "ipcam_record_set", {"control": "disable"})),
        ("timelapse_on", {}, ("camera", "ipcam_timelapse", {"control": "enable"})),
        ("timelapse_off", {}, ("camera", "ipcam_timelapse", {"control": "disable"})),
        ("skip_objects", {"objectIds": [7, 3, 3]}, ("print", "skip_objects", {"obj_list": [3, 7]})),
        ("calibrate", {"bedLevel": True, "vibration": True}, ("print", "calibration", {"option": 6})),
        ("set_temperature", {"bedTemp": 60}, ("print", "gcode_line", {"param": "M140 S60\n"})),
    ],
)
def test_what_every_model_is_sent_alike(
    model: str, kind: str, metadata: dict[str, Any], wanted: tuple[str, str, dict[str, Any]]
) -> None:
    assert sent(planned(model, kind, **metadata).request(HOMED)) == wanted


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(
    ("fan", "number", "models"),
    [("aux", 2, (*X1, *P1, *DUCTS)), ("chamber", 3, (*X1, *P1, *DUCTS)), ("aux2", 10, DUCTS)],
)
def test_the_fans_of_each_model(model: str, fan: str, number: int, models: tuple[str, ...]) -> None:
    if model in models:
        assert lines(model, "set_fan", percent=40, fan=fan) == [f"M106 P{number} S102"]
    else:
        with pytest.raises(Refused, match="this printer has no"):
            planned(model, "set_fan", percent=40, fan=fan)


def test_a_fan_that_is_not_fitted_is_said_to_be_missing() -> None:
    second = planned("P2S", "set_fan", percent=40, fan="aux2")
    assert second.obstacle(Picture(air_duct=True, fans={"part": 0})) == "this printer has no second auxiliary fan"
    assert second.obstacle(Picture(air_duct=True, fans={"aux2": 0})) is None


@pytest.mark.parametrize("model", ALL)
def test_the_chamber_heaters(model: str) -> None:
    if model == "X1E":
        assert lines(model, "set_temperature", chamberTemp=45) == ["M141 S45"]
        assert lines(model, "cooldown") == ["M104 S0", "M140 S0", "M141 S0"]
        with pytest.raises(Refused, match="60 °C"):
            planned(model, "set_temperature", chamberTemp=65)
    elif model in (*H2, "X2D"):
        assert lines(model, "set_temperature", chamberTemp=45) == ["M145 P1", "M141 S45"]
        assert lines(model, "set_temperature", chamberTemp=40) == ["M141 S40", "M145 P0"]
        assert lines(model, "cooldown")[-3:] == ["M140 S0", "M141 S0", "M145 P0"]
    else:
        with pytest.raises(Refused, match="this printer has no chamber heater"):
            planned(model, "set_temperature", chamberTemp=45)
        assert lines(model, "cooldown") == ["M104 S0", "M140 S0"]


@pytest.mark.parametrize("model", ALL)
def test_two_nozzles(model: str) -> None:
    assert lines(model, "set_temperature", nozzleTemp=220) == ["M104 S220"]
    if model in TWO_NOZZLES:
        assert lines(model, "set_temperature", nozzleTemp=220, nozzleIndex=1) == ["M104 T1 S220"]
        assert lines(model, "cooldown")[:2] == ["M104 T0 S0", "M104 T1 S0"]
    else:
        with pytest.raises(Refused, match="this printer has one nozzle"):
            planned(model, "set_temperature", nozzleTemp=220, nozzleIndex=1)


def test_the_effect_on_two_nozzles_is_that_on_the_one_that_was_meant() -> None:
    left = planned("H2D", "set_temperature", nozzleTemp=220, nozzleIndex=1)
    assert left.wanted is not None
    hot, cold = (Nozzle(1, 25, 220), Nozzle(1, 25, 0))
    assert left.wanted(Picture(nozzle_target=0, nozzles=(Nozzle(0, 25, 0), hot)))
    assert not left.wanted(Picture(nozzle_target=220, nozzles=(Nozzle(0, 25, 220), cold)))
    off = planned("H2D", "cooldown")
    assert off.wanted is not None
    assert not off.wanted(Picture(nozzle_target=0, bed_target=0, nozzles=(Nozzle(0, 25, 0), hot)))


@pytest.mark.parametrize(
    ("model", "metadata", "reason"),
    [
        ("A1 mini", {"bedTemp": 90}, "80 °C"),
        ("P1S", {"bedTemp": 110}, "100 °C"),
        ("X1C", {"bedTemp": 120}, "110 °C"),
        ("P1S", {"nozzleTemp": 310}, "300 °C"),
        ("X1E", {"nozzleTemp": 330}, "320 °C"),
        ("X2D", {"nozzleTemp": 310}, "300 °C"),
        ("H2D", {"nozzleTemp": 351}, "nozzleTemp"),
        ("H2D", {"nozzleIndex": 1}, "no temperature is given"),
    ],
)
def test_no_heater_goes_beyond_what_the_model_bears(model: str, metadata: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        planned(model, "set_temperature", **metadata)


def test_a_chamber_that_does_not_show_its_target_needs_an_acknowledgement() -> None:
    heat = planned("X1E", "set_temperature", chamberTemp=45)
    assert (heat.acknowledged, heat.already) == (True, False)
    assert not planned("X1E", "set_temperature", bedTemp=45).acknowledged


def test_newer_firmware_has_requests_of_its_own() -> None:
    newer = Picture(fun=1 << HOMING_BIT | 1 << BED_BIT)
    assert sent(planned("H2D", "home").request(newer)) == ("print", "back_to_center", {})
    bed = planned("H2D", "set_temperature", bedTemp=60).request(newer)
    assert sent(bed) == ("print", "set_bed_temp", {"temp": 60})
    both = planned("H2D", "set_temperature", bedTemp=60, nozzleTemp=200).request(newer)
    assert both.fields == {"param": "M104 S200\nM140 S60\n"}


@pytest.mark.parametrize("model", ALL)
def test_a_move_is_relative_and_keeps_the_end_stops(model: str) -> None:
    guarded = ["M211 S", "M211 X1 Y1 Z1", "M1002 push_ref_mode", "G91"]
    end = ["M1002 pop_ref_mode", "M211 R"]
    assert lines(model, "move", x=10, z=-0.5, feedrate=3000) == [*guarded, "G1 X10.0 Z-0.5 F3000", *end]
    assert lines(model, "move", e=5, feedrate=300) == ["M83", "G0 E5.0 F300"]
    with pytest.raises(Refused, match="mm at most"):
        planned(model, "move", y=400)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (Picture(gcode_state="RUNNING", homed_axes=7), "printing"),
        (Picture(gcode_state="PAUSE", homed_axes=7), "printing"),
        (Picture(gcode_state="IDLE", homed_axes=7, ams_status=258), "changing filament"),
        (Picture(gcode_state="IDLE", homed_axes=0), "not homed"),
        (Picture(gcode_state="IDLE", homed_axes=6), "not homed"),
        (Picture(gcode_state="IDLE"), "not homed"),
    ],
)
def test_nothing_is_moved_blindly_or_under_a_print(picture: Picture, reason: str) -> None:
    move = planned("X1C", "move", x=10)
    assert reason in (move.obstacle(picture) or "")
    assert move.obstacle(Picture(gcode_state="FINISH", homed_axes=1)) is None
    assert not move.repeatable


def test_cold_filament_is_not_moved() -> None:
    push = planned("P1S", "move", e=5)
    assert "170 °C" in (push.obstacle(Picture(gcode_state="IDLE", nozzle=169)) or "")
    assert push.obstacle(Picture(gcode_state="IDLE", nozzle=200)) is None


@pytest.mark.parametrize("model", ALL)
def test_the_calibrations_of_each_model(model: str) -> None:
    for name, models, option in (("motorNoise", A, 8), ("nozzleOffset", TWO_NOZZLES, 16)):
        if model in models:
            assert planned(model, "calibrate", **{name: True}).request(HOMED).fields == {"option": option}
        else:
            with pytest.raises(Refused, match="this printer has no"):
                planned(model, "calibrate", **{name: True})
    with pytest.raises(Refused, match="no calibration is chosen"):
        planned(model, "calibrate", bedLevel=False)


def test_a_calibration_begins_on_an_idle_printer_and_shows_as_its_own_job() -> None:
    begin = planned("P1S", "calibrate", bedLevel=True)
    assert "printing" in (begin.obstacle(Picture(gcode_state="PAUSE")) or "")
    assert begin.wanted is not None
    assert begin.wanted(Picture(gcode_state="RUNNING", print_type="system"))
    assert not begin.wanted(Picture(gcode_state="RUNNING", print_type="local"))
    assert not begin.repeatable


SPOOLS = tuple(Filament(slot, "PLA", "#FFFFFF") for slot in (0, 5, 128, EXTERNAL))
READY = Picture(gcode_state="IDLE", filaments=SPOOLS, in_nozzles=frozenset(), ams_status=0)


@pytest.mark.parametrize("model", [each for each in ALL if each not in ("A1", "A1 mini")])
@pytest.mark.parametrize(
    ("slot", "unit", "place", "target"),
    [(1, 0, 0, 0), (6, 1, 1, 5), (16, 3, 3, 15), (128, 128, 0, 128), (254, 255, 254, 254), (255, 255, 254, 254)],
)
def test_loading_names_the_ams_and_the_place(model: str, slot: int, unit: int, place: int, target: int) -> None:
    load = planned(model, "load_filament", slot=slot)
    wanted = {"ams_id": unit, "slot_id": place, "target": target, "curr_temp": -1, "tar_temp": -1}
    assert sent(load.request(READY)) == ("print", "ams_change_filament", wanted)
    assert not load.repeatable


def test_what_cannot_be_loaded() -> None:
    with pytest.raises(Refused, match="no AMS HT"):
        planned("A1 mini", "load_filament", slot=128)
    with pytest.raises(Refused, match="name the AMS slot"):
        planned("X1C", "load_filament")
    with pytest.raises(Refused, match="slots 1 to 16"):
        planned("X1C", "load_filament", slot=17)
    empty = planned("X1C", "load_filament", slot=2)
    assert "AMS slot A2 is empty" in (empty.obstacle(READY) or "")
    there = planned("X1C", "load_filament", slot=6)
    assert there.obstacle(READY) is None
    assert "does not say" in (there.obstacle(Picture(gcode_state="IDLE")) or "")
    assert "printing" in (there.obstacle(Picture(gcode_state="RUNNING", filaments=SPOOLS)) or "")
    assert "changing" in (there.obstacle(Picture(gcode_state="IDLE", filaments=SPOOLS, ams_status=261)) or "")


def test_filament_is_loaded_when_it_is_in_the_nozzle_and_the_ams_rests() -> None:
    load = planned("X1C", "load_filament", slot=6)
    assert load.wanted is not None
    assert not load.wanted(Picture(in_nozzles=frozenset({5}), ams_status=262))
    assert load.wanted(Picture(in_nozzles=frozenset({5}), ams_status=768))
    assert not load.wanted(Picture(in_nozzles=frozenset({4}), ams_status=768))
    assert not load.wanted(Picture())


@pytest.mark.parametrize(
    ("held", "nozzle", "unit", "temperature"), [(5, 25.0, 1, 210), (EXTERNAL, 25.0, 255, 210), (128, 240.0, 128, 240)]
)
def test_unloading_names_where_the_filament_came_from(held: int, nozzle: float, unit: int, temperature: int) -> None:
    unload = planned("H2S", "unload_filament")
    picture = Picture(gcode_state="IDLE", in_nozzles=frozenset({held}), nozzle=nozzle)
    wanted = {"ams_id": unit, "slot_id": 255, "target": 255, "curr_temp": temperature, "tar_temp": temperature}
    assert unload.request(picture).fields == wanted
    assert unload.wanted is not None
    assert not unload.wanted(picture)
    assert unload.wanted(Picture(in_nozzles=frozenset(), ams_status=0))
    assert not unload.wanted(Picture())
    assert "does not say" in (unload.obstacle(Picture(gcode_state="IDLE")) or "")
    assert "no such filament" in (unload.obstacle(Picture(gcode_state="IDLE", in_nozzles=frozenset())) or "")
    assert "printing" in (unload.obstacle(Picture(gcode_state="PAUSE", in_nozzles=frozenset({5}))) or "")
    assert unload.obstacle(picture) is None


def test_of_two_nozzles_the_one_in_use_is_unloaded() -> None:
    unload = planned("H2D", "unload_filament")
    nozzles = (Nozzle(0, 25, 0, slot=2), Nozzle(1, 25, 0, slot=4))
    picture = Picture(gcode_state="IDLE", in_nozzles=frozenset({2, 4}), nozzles=nozzles, active_nozzle=1)
    assert unload.request(picture).fields["ams_id"] == 1
    other = planned("H2D", "unload_filament", slot=3)
    assert other.wanted is not None
    assert other.wanted(picture)


@pytest.mark.parametrize("model", ALL)
def test_every_lamp_is_switched(model: str) -> None:
    light = planned(model, "light_on")
    assert light.request(HOMED).fields["led_node"] == "chamber_light"
    others = [each.fields["led_node"] for each in light.companions]
    assert others == (["chamber_light2"] if model in H2 else [])
    assert light.wanted is not None
    assert light.wanted(Picture(lights={"chamber_light": "on"}))
    assert light.wanted(Picture(lights={"chamber_light": "on", "chamber_light2": "off"})) is (model not in H2)


def test_the_cameras_switches_show_in_its_report() -> None:
    on, off = planned("P1S", "camera_on"), planned("P1S", "timelapse_off")
    assert on.wanted is not None
    assert off.wanted is not None
    assert (on.wanted(Picture(recording=True)), on.wanted(Picture(recording=False))) == (True, False)
    assert (off.wanted(Picture(timelapse=False)), off.wanted(Picture())) == (True, False)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (Picture(gcode_state="FINISH", skipped=frozenset()), "nothing is printing"),
        (Picture(gcode_state="PREPARE", skipped=frozenset()), "not begun"),
        (Picture(gcode_state="RUNNING"), "cannot skip"),
        (Picture(gcode_state="RUNNING", skipped=frozenset(), fun=0), "cannot skip"),
    ],
)
def test_objects_are_skipped_where_the_firmware_can_and_a_print_runs(picture: Picture, reason: str) -> None:
    skip = planned("X1C", "skip_objects", objectIds=[3, 7])
    assert reason in (skip.obstacle(picture) or "")
    able = Picture(gcode_state="RUNNING", fun=1 << SKIP_BIT, skipped=frozenset({3}))
    assert skip.obstacle(able) is None
    assert skip.obstacle(Picture(gcode_state="PAUSE", skipped=frozenset())) is None
    assert skip.wanted is not None
    assert not skip.wanted(able)
    assert skip.wanted(Picture(gcode_state="RUNNING", skipped=frozenset({3, 7, 9})))
    assert not skip.repeatable


@pytest.mark.parametrize("objects", [[], None, [-1], [1] * 65, "7", [2**31]])
def test_objects_that_cannot_be_meant_are_refused(objects: Any) -> None:
    with pytest.raises(Refused, match="objectIds"):
        planned("X1C", "skip_objects", objectIds=objects)


def test_the_error_that_is_shown_is_cleared() -> None:
    clear = planned("P1S", "clear_error")
    shown = Picture(print_error=0x0500C010, subtask_id="77")
    assert sent(clear.request(shown)) == (
        "print",
        "clean_print_error",
        {"subtask_id": "77", "print_error": 0x0500C010},
    )
    assert clear.wanted is not None
    assert (clear.wanted(shown), clear.wanted(Picture())) == (False, True)


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("kind", ["snapshot", "download", "list_files", "dance"])
def test_what_is_no_request_is_unsupported(model: str, kind: str) -> None:
    with pytest.raises(Refused, match=f"unsupported: {kind}"):
        planned(model, kind)


def test_a_stranger_is_told_what_nobody_knows_of_it() -> None:
    for kind, metadata in (("set_fan", {"percent": 1, "fan": "aux"}), ("calibrate", {"bedLevel": True})):
        with pytest.raises(Refused, match="this printer has no"):
            plan(command(kind, **metadata), "ZZZ00A000000001")
