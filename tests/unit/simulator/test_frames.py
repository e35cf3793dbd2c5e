"""The reports of the simulated printers, beside recorded ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.simulator import frames
from local.simulator.heater import Heater
from local.simulator.machine import Machine
from local.simulator.models import MODELS

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "bambu"
SIGNATURE_REQUIRED = 0x20000000


def frame_of(machine: Machine, beat: int = 0, developer_mode: bool = True) -> frames.Frame:
    return frames.full_frame(machine, beat=beat, developer_mode=developer_mode)


def recorded(name: str, *path: str) -> dict[str, Any]:
    if not FIXTURES.is_dir():
        pytest.skip(f"no recorded payloads at {FIXTURES}")
    content: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    for step in path:
        content = content[step]
    return content


def test_p1s_temperatures_are_in_thirty_seconds_of_a_degree() -> None:
    machine = Machine(MODELS["P1S"])
    machine.nozzle.set(220)
    machine.advance(3.3)
    for beat in range(16):
        value = frame_of(machine, beat)["nozzle_temper"]
        assert (value * 32).is_integer()
    assert frame_of(machine)["chamber_temper"] == 5


def test_x1c_temperatures_are_whole_and_packed() -> None:
    machine = Machine(MODELS["X1C"])
    machine.nozzle = Heater(4, 1, 300, current=219.6, target=220)
    machine.bed = Heater(1, 1, 110, current=60, target=60)
    frame = frame_of(machine)
    assert (frame["nozzle_temper"], frame["bed_temper"]) == (220, 60)
    assert frame["device"]["bed"]["info"]["temp"] == 3932220
    assert frame["device"]["extruder"]["info"][0]["temp"] == 220 << 16 | 220
    assert "chamber_temper" not in frame


def test_only_the_x1c_tells_whether_signatures_are_required() -> None:
    machine = Machine(MODELS["X1C"])
    assert not int(frame_of(machine)["fun"], 16) & SIGNATURE_REQUIRED
    assert int(frame_of(machine, developer_mode=False)["fun"], 16) & SIGNATURE_REQUIRED
    assert "fun" not in frame_of(Machine(MODELS["P1S"]))


@pytest.mark.parametrize("model", list(MODELS))
def test_homed_axes_and_fans(model: str) -> None:
    machine = Machine(MODELS[model])
    assert frame_of(machine)["home_flag"] & 7 == 0
    machine.homed = 7
    machine.fans.part, machine.fans.aux, machine.fans.chamber = 255, 100, 0
    frame = frame_of(machine)
    assert frame["home_flag"] & 0xFFFFFFFF & 7 == 7
    assert (frame["cooling_fan_speed"], frame["big_fan1_speed"], frame["big_fan2_speed"]) == ("15", "6", "0")
    assert frame["fan_gear"] == 25855


def test_a_delta_holds_what_changed() -> None:
    machine = Machine(MODELS["P1S"])
    before = frame_of(machine)
    assert frames.changed_fields(before, frame_of(machine)) == {}
    machine.layer, machine.tray_target = 3, "2"
    assert frames.changed_fields(before, frame_of(machine)) == {"layer_num": 3, "ams": {"tray_tar": "2"}}


@pytest.mark.parametrize(
    ("model", "name", "path"),
    [("P1S", "p1_full.json", ("print",)), ("X1C", "x1c_multi_ams.json", ("pushall", "print"))],
)
def test_fields_have_the_recorded_types(model: str, name: str, path: tuple[str, ...]) -> None:
    real = recorded(name, *path)
    frame = frame_of(Machine(MODELS[model]))
    numbers = (int, float)
    for key in frame.keys() & real.keys():
        mine, theirs = frame[key], real[key]
        same = (isinstance(mine, numbers) and isinstance(theirs, numbers)) or type(mine) is type(theirs)
        assert same, f"{key}: {mine!r} where a real printer sends {theirs!r}"
    needed = {"gcode_state", "mc_percent", "layer_num", "nozzle_temper", "ams", "hms", "lights_report", "home_flag"}
    assert needed <= frame.keys() & real.keys()
