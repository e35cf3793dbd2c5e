"""What each simulated model does with a request: its acknowledgement, its effect, and how the report shows it."""

from pathlib import Path
from typing import Any

import pytest

from edge_agent.drivers.bambu.models import capabilities
from local.simulator import frames
from local.simulator.filaments import EXTERNAL
from local.simulator.machine import HMS_UNSIGNED, GcodeState, Job, Machine
from local.simulator.models import HOMING_BIT, MODELS
from local.simulator.project import PlatePlan
from local.simulator.requests import RequestHandler

ALL = list(MODELS)
DUCTS = [name for name, model in MODELS.items() if model.air_duct]
DELTAS = [name for name, model in MODELS.items() if model.sends_deltas]
PLAN = PlatePlan(layers=12, seconds=600, nozzle=220, bed=55)


class Device:
    """A machine with its request handler."""

    def __init__(self, model: str, storage: Path) -> None:
        self.model = MODELS[model]
        self.machine = Machine(self.model)
        self._handler = RequestHandler(self.machine, storage, "SERIAL")

    def ask(self, section: str, command: str, *, developer_mode: bool = True, **fields: Any) -> dict[str, Any] | None:
        request = {"sequence_id": "30001", "command": command, **fields}
        reply = self._handler.handle(section, request, developer_mode=developer_mode)
        return None if reply is None else dict(reply.message[section])

    def accepts(self, command: str, **fields: Any) -> bool:
        answer = self.ask("print", command, **fields)
        return answer is not None and answer["result"].lower() == "success"

    def frame(self) -> frames.Frame:
        return frames.full_frame(self.machine, beat=0, developer_mode=True)

    def live(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.machine.advance(1.0)

    def print(self) -> None:
        self.machine.start(Job("cube", "Metadata/plate_1.gcode", PLAN))
        while self.machine.state is not GcodeState.RUNNING:
            self.machine.advance(1.0)


@pytest.fixture
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    return Device(request.param, tmp_path)


each_model = pytest.mark.parametrize("device", ALL, indirect=True)


@each_model
def test_the_model_has_what_the_agent_expects_of_it(device: Device) -> None:
    model, expected = device.model, capabilities(device.model.serial_prefix)
    assert model.name == expected.name
    assert set(model.fans) == set(expected.fans.values())
    assert (model.nozzles, model.nozzle_limit) == (expected.nozzles, expected.nozzle_limit)
    assert model.bed_limit >= expected.bed_limit
    assert model.chamber_heater is (expected.chamber_heater is not None)
    assert set(expected.lights) <= set(model.lights)


@each_model
def test_filament_is_changed_step_by_step(device: Device) -> None:
    assert device.accepts("ams_change_filament", target=2, ams_id=0, slot_id=2, curr_temp=-1, tar_temp=-1)
    seen = []
    for _ in range(20):
        frame = device.frame()
        seen.append((frame["ams_status"], frame["ams"]["tray_tar"], frame["ams"]["tray_now"]))
        device.live(1)
    assert list(dict.fromkeys(seen)) == [(258, "2", "255"), (261, "2", "255"), (262, "2", "255"), (768, "2", "2")]
    assert device.accepts("ams_change_filament", target=255, ams_id=0, slot_id=255, curr_temp=210, tar_temp=210)
    device.live(20)
    assert (device.frame()["ams"]["tray_now"], device.frame()["ams_status"]) == ("255", 0)


@each_model
def test_filament_is_not_changed_when_it_cannot_be(device: Device) -> None:
    where = {"ams_id": 0, "slot_id": 3, "curr_temp": -1, "tar_temp": -1}
    assert not device.accepts("ams_change_filament", target=3, **where)
    assert device.accepts("ams_change_filament", target=1, **where)
    assert not device.accepts("ams_change_filament", target=0, **where)
    assert device.machine.tray_target == "1"
    device.live(20)
    device.print()
    assert not device.accepts("ams_change_filament", target=0, **where)


@pytest.mark.parametrize("device", ["X1C", *DUCTS], indirect=True)
def test_newer_firmware_wants_the_ams_named(device: Device) -> None:
    answer = device.ask("print", "ams_change_filament", target=0, curr_temp=-1, tar_temp=-1)
    assert answer is not None
    assert (answer["result"], answer["errno"]) == ("fail", -6)


@pytest.mark.parametrize("device", ["X1C", *DUCTS], indirect=True)
def test_the_extruder_says_what_it_holds(device: Device) -> None:
    def held() -> int:
        return int(device.frame()["device"]["extruder"]["info"][0]["snow"])

    assert held() == 0xFFFF
    for tray, snow in (("2", 0x0002), ("5", 0x0101), ("128", 0x8000), (str(EXTERNAL), 0xFF00)):
        device.machine.tray_now = tray
        assert held() == snow


@pytest.mark.parametrize("device", DUCTS, indirect=True)
def test_the_air_duct_shows_the_fans(device: Device) -> None:
    device.ask("print", "gcode_line", param="M106 P1 S255\nM106 P10 S128\n")
    parts = {part["id"] >> 4: part["state"] for part in device.frame()["device"]["airduct"]["parts"]}
    assert parts == {1: 100, 2: 0, 3: 0, 10: 50}


@pytest.mark.parametrize("device", ["A1", "A1 mini"], indirect=True)
def test_an_a1_has_one_fan(device: Device) -> None:
    device.ask("print", "gcode_line", param="M106 P1 S255\nM106 P2 S255\nM106 P3 S255\n")
    fans = device.machine.fans
    assert (fans.part, fans.aux, fans.chamber) == (255, 0, 0)


@pytest.mark.parametrize("device", ["H2D", "X2D", "H2S", "P2S"], indirect=True)
def test_chamber_and_nozzles(device: Device) -> None:
    device.ask("print", "gcode_line", param="M145 P1\nM141 S60\nM104 T1 S220\nM104 S200\n")
    told = device.frame()["device"]
    heats = device.model.chamber_heater
    assert told["ctc"]["info"]["temp"] >> 16 == (60 if heats else 0)
    targets = [each["temp"] >> 16 for each in told["extruder"]["info"]]
    assert targets == ([200, 220] if device.model.nozzles == 2 else [200])
    device.live(600)
    assert (device.frame()["device"]["ctc"]["info"]["temp"] & 0xFFFF > 40) is heats


@each_model
def test_a_printer_is_not_homed_when_it_is_switched_on(device: Device) -> None:
    assert device.frame()["home_flag"] & 0b111 == 0
    device.ask("print", "gcode_line", param="G91\nG1 X10 Z-2\n")
    assert (device.machine.moved, device.machine.blind_moves) == ({"X": 10, "Y": 0, "Z": -2}, 2)
    device.ask("print", "gcode_line", param="G28\n")
    device.live(15)
    assert device.frame()["home_flag"] & 0b111 == 0b111
    device.ask("print", "gcode_line", param="G91\nG1 Y5\n")
    assert device.machine.blind_moves == 2


@each_model
def test_requests_of_newer_firmware(device: Device) -> None:
    offers = device.model.offers(HOMING_BIT)
    assert device.accepts("back_to_center") is offers
    device.live(15)
    assert (device.machine.homed == 7) is offers
    heats = device.accepts("set_bed_temp", temp=60)
    assert heats is (device.model.name in DUCTS)
    assert device.machine.bed.target == (60 if heats else 0)


@each_model
def test_calibration_is_a_job_of_the_printers_own(device: Device) -> None:
    assert not device.accepts("calibration", option=1)
    assert device.accepts("calibration", option=6)
    frame = device.frame()
    assert (frame["gcode_state"], frame["print_type"]) == ("RUNNING", "system")
    assert not device.accepts("calibration", option=2)
    device.ask("print", "pause", param="")
    device.live(100)
    assert device.frame()["gcode_state"] == "RUNNING"
    device.live(200)
    frame = device.frame()
    assert (frame["gcode_state"], frame["print_type"], frame["home_flag"] & 7) == ("FINISH", "idle", 7)


@each_model
def test_a_calibration_is_stopped(device: Device) -> None:
    assert device.accepts("calibration", option=2)
    assert device.accepts("stop", param="")
    device.live(2)
    assert (device.machine.state, device.machine.busy) == (GcodeState.FAILED, False)


@each_model
def test_objects_are_skipped_in_a_print_alone(device: Device) -> None:
    assert not device.accepts("skip_objects", obj_list=[7])
    device.print()
    assert device.accepts("skip_objects", obj_list=[7, 3])
    assert device.accepts("skip_objects", obj_list=[9])
    assert device.frame()["s_obj"] == [3, 7, 9]
    device.machine.cancel()
    device.live(2)
    device.print()
    assert device.frame()["s_obj"] == []


@each_model
def test_the_camera_shows_its_switches(device: Device) -> None:
    answer = device.ask("camera", "ipcam_record_set", control="disable")
    assert answer is not None
    assert answer["result"] == 0
    device.ask("camera", "ipcam_timelapse", control="enable")
    shown = device.frame()["ipcam"]
    assert (shown["ipcam_record"], shown["timelapse"]) == ("disable", "enable")


@each_model
def test_an_error_is_cleared(device: Device) -> None:
    device.machine.set_error(0x0500C010)
    assert device.frame()["print_error"] == 0x0500C010
    assert device.accepts("clean_print_error", subtask_id="0", print_error=0x0500C010)
    assert device.frame()["print_error"] == 0


@each_model
@pytest.mark.parametrize(
    "command", ["ams_change_filament", "calibration", "skip_objects", "clean_print_error", "back_to_center"]
)
def test_without_developer_mode_none_of_it_happens(device: Device, command: str) -> None:
    answer = device.ask("print", command, developer_mode=False, option=2, target=0, obj_list=[1])
    assert answer is not None
    assert (answer["result"], answer["reason"]) == ("failed", "mqtt message verify failed")
    assert device.machine.hms == [HMS_UNSIGNED]
    assert not device.machine.busy
    assert device.machine.ams_status == 0


@each_model
def test_a_lamp_that_the_model_lacks(device: Device) -> None:
    answer = device.ask("system", "ledctrl", led_node="chamber_light2", led_mode="on")
    assert answer is not None
    assert (answer["result"] == "success") is ("chamber_light2" in device.model.lights)


@pytest.mark.parametrize("device", DELTAS, indirect=True)
def test_older_firmware_tells_neither_abilities_nor_devices(device: Device) -> None:
    assert not device.frame().keys() & {"fun", "stat", "device"}
    assert device.frame()["chamber_temper"] == 5
