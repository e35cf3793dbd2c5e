"""Commands become Bambu's requests; acknowledgements are read in every recorded shape."""

from typing import Any

import pytest

from edge_agent.command import Command
from edge_agent.drivers.bambu.acks import DEVELOPER_MODE_ADVICE, ack
from edge_agent.drivers.bambu.commands import plan, start_3mf, start_options
from edge_agent.drivers.bambu.starts import identity
from edge_agent.drivers.bambu.state import Picture
from edge_agent.execution import Refused
from tests.unit.agent.bambu_fixtures import recorded

P1S, X1E = "01P00A000000001", "03W00A000000001"


def command(kind: str, **metadata: Any) -> Command:
    return Command(command_id="c-1", command_type=kind, metadata=metadata)


@pytest.mark.parametrize(
    ("kind", "metadata", "sent"),
    [
        ("pause", {}, ("print", "pause", {"param": ""})),
        ("resume", {}, ("print", "resume", {"param": ""})),
        (
            "set_temperature",
            {"nozzleTemp": 220, "bedTemp": 60},
            ("print", "gcode_line", {"param": "M104 S220\nM140 S60\n"}),
        ),
        ("set_temperature", {"bedTemp": 0}, ("print", "gcode_line", {"param": "M140 S0\n"})),
        ("cooldown", {}, ("print", "gcode_line", {"param": "M104 S0\nM140 S0\n"})),
        ("set_speed", {"percent": 120}, ("print", "print_speed", {"param": "3"})),
        ("set_fan", {"percent": 50}, ("print", "gcode_line", {"param": "M106 P1 S128\n"})),
        ("set_fan", {"percent": 100, "fan": "chamber"}, ("print", "gcode_line", {"param": "M106 P3 S255\n"})),
        ("set_flow_rate", {"percent": 95}, ("print", "gcode_line", {"param": "M221 S95\n"})),
        ("home", {"axes": ["z"]}, ("print", "gcode_line", {"param": "G28\n"})),
        ("send_gcode", {"gcode": "M400\n  G4 S1"}, ("print", "gcode_line", {"param": "M400\nG4 S1\n"})),
    ],
)
def test_a_command_is_translated(kind: str, metadata: dict[str, Any], sent: tuple[str, str, dict[str, Any]]) -> None:
    request = plan(command(kind, **metadata), P1S).request(Picture())
    assert (request.section, request.command, request.fields) == sent


@pytest.mark.parametrize(
    ("kind", "metadata", "reason"),
    [
        ("move", {}, "no distance"),
        ("dance", {}, "unsupported: dance"),
        ("set_temperature", {}, "no temperature"),
        ("set_temperature", {"nozzleTemp": 500}, "nozzleTemp"),
        ("set_temperature", {"chamberTemp": 45}, "no chamber heater"),
        ("set_speed", {"percent": "fast"}, "percent"),
        ("set_flow_rate", {"percent": 201}, "percent"),
        ("set_flow_rate", {}, "percent"),
        ("set_fan", {"percent": 20, "fan": "desk"}, "fan"),
        ("send_gcode", {"gcode": " \n"}, "empty"),
        ("send_gcode", {"gcode": "G1 X1\nG28 Z"}, "Z alone"),
        ("send_gcode", {"gcode": "g28 z0 ; home"}, "Z alone"),
    ],
)
def test_a_command_that_cannot_be_is_refused_with_the_reason(kind: str, metadata: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        plan(command(kind, **metadata), P1S)


def test_the_chamber_is_heated_where_there_is_a_heater() -> None:
    assert plan(command("set_temperature", chamberTemp=45), X1E).request(Picture()).fields == {"param": "M141 S45\n"}
    assert plan(command("cooldown"), X1E).request(Picture()).fields == {"param": "M104 S0\nM140 S0\nM141 S0\n"}


def test_homing_is_refused_while_printing_and_is_never_sent_twice() -> None:
    home = plan(command("home"), P1S)
    assert home.obstacle(Picture(gcode_state="RUNNING")) is not None
    assert home.obstacle(Picture(gcode_state="FINISH")) is None
    assert not home.repeatable
    assert not plan(command("send_gcode", gcode="G1 X1"), P1S).repeatable
    flow = plan(command("set_flow_rate", percent=95), P1S)
    assert (flow.wanted, flow.repeatable) == (None, False)


def test_effects_are_read_from_the_report() -> None:
    heat = plan(command("set_temperature", nozzleTemp=220, bedTemp=60), P1S)
    assert heat.wanted is not None
    assert not heat.wanted(Picture(nozzle_target=220, bed_target=55))
    assert heat.wanted(Picture(nozzle_target=220, bed_target=60))
    fan = plan(command("set_fan", percent=50), P1S)
    assert fan.wanted is not None
    assert fan.wanted(Picture(fans={"part": 8 * 100 / 15}))
    assert not fan.wanted(Picture(fans={"part": 0}))


def test_a_start_is_known_by_a_marker_of_its_own() -> None:
    start = command("start_print", fileName="Ærlig: ../Benchy & co (2).gcode.3mf", plateIndex=2, amsMapping=[0, 3])
    who = identity(start, start_options(start))
    assert who == identity(start, start_options(start))
    assert who.file_name == f"{who.marker}.gcode.3mf"
    assert who.marker.isascii()
    assert not set(who.marker) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert 0 < int(who.subtask_id) < 2**31
    other = start.model_copy(update={"command_id": "c-2"})
    assert identity(other, start_options(other)).marker != who.marker
    request = start_3mf(start_options(start), who.file_name, who.marker, who.subtask_id, "ab" * 16)
    assert request.fields["param"] == "Metadata/plate_2.gcode"
    assert request.fields["url"] == f"ftp:///{who.file_name}"
    assert request.fields["md5"] == "AB" * 16
    assert (request.fields["use_ams"], request.fields["ams_mapping"]) == (True, [0, 3])


@pytest.mark.parametrize("metadata", [{"fileName": "a.stl"}, {"fileName": ""}, {"fileName": "a.3mf", "plateIndex": 0}])
def test_a_start_that_cannot_be_is_refused(metadata: dict[str, Any]) -> None:
    start = command("start_print", **metadata)
    with pytest.raises(Refused):
        identity(start, start_options(start))


def test_every_recorded_acknowledgement_is_read() -> None:
    found = {}
    for entry in recorded("acks.json"):
        ((_, payload),) = entry["message"].items()
        found[entry["case"]] = ack(payload)
    accepted = [case for case, seen in found.items() if seen.accepted and seen.refusal is None]
    refused = [case for case, seen in found.items() if seen.refusal == DEVELOPER_MODE_ADVICE]
    assert len(accepted) == 5
    assert len(refused) == 2
    led = next(seen for case, seen in found.items() if "lacks" in case)
    assert led.refusal is not None
    assert "chamber_light2" in led.refusal
    bare = next(seen for case, seen in found.items() if "bare echo" in case)
    assert (bare.accepted, bare.refusal) == (None, None)


@pytest.mark.parametrize(
    "gcode", ["M400\rG28 Z", "M400\x0bG28 Z", "M400\x85G28 Z", "M400\u2028G28 Z", "G028 Z", "N5 G28 (X) Z", "g 28 z"]
)
def test_homing_z_alone_is_seen_however_it_is_written(gcode: str) -> None:
    with pytest.raises(Refused, match="Z alone"):
        plan(command("send_gcode", gcode=gcode), P1S)


@pytest.mark.parametrize("gcode", ["G28", "G28 X Y Z", "G280 Z1", "G1 Z5 ; not G28"])
def test_other_gcode_passes(gcode: str) -> None:
    assert plan(command("send_gcode", gcode=gcode), P1S).request(Picture()).fields == {"param": f"{gcode}\n"}


def test_gcode_with_control_characters_is_refused() -> None:
    with pytest.raises(Refused, match="control characters"):
        plan(command("send_gcode", gcode="G1\x00 X1"), P1S)


def test_a_nozzle_is_not_heated_beyond_what_the_model_bears() -> None:
    with pytest.raises(Refused, match="300 °C"):
        plan(command("set_temperature", nozzleTemp=310), P1S)
    assert plan(command("set_temperature", nozzleTemp=310), X1E).request(Picture()).fields == {"param": "M104 S310\n"}


def test_an_error_number_without_a_result_is_a_refusal() -> None:
    assert ack({"command": "ams_change_filament", "errno": -6}).refusal == "the printer refused the command: error -6"
    assert ack({"command": "gcode_line", "err_code": 0}).accepted is None
    assert ack({"err_code": "84033543"}).refusal == DEVELOPER_MODE_ADVICE


def test_a_refusal_can_be_written_whatever_the_printer_says() -> None:
    refusal = ack({"result": "fail", "reason": "bad name \ud83d"}).refusal
    assert refusal is not None
    assert refusal.encode()
