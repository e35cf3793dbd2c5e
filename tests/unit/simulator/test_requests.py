"""Commands to the simulated printer and what it answers."""

from pathlib import Path
from typing import Any

import pytest

from local.sample_print import make_3mf
from local.simulator.filaments import Filaments
from local.simulator.machine import AMS_MAPPING, BUSY, HMS_UNSIGNED, GcodeState, Machine
from local.simulator.models import MODELS
from local.simulator.requests import Reply, RequestHandler


class Device:
    """A machine with its request handler and a folder."""

    def __init__(self, model: str, storage: Path) -> None:
        self.machine = Machine(MODELS[model])
        self.storage = storage
        self._handler = RequestHandler(self.machine, storage, "SERIAL")

    def ask(self, section: str, command: str, developer_mode: bool = True, **fields: Any) -> Reply:
        request = {"sequence_id": "30001", "command": command, **fields}
        reply = self._handler.handle(section, request, developer_mode=developer_mode)
        assert reply is not None
        return reply

    def gcode(self, lines: str) -> dict[str, Any]:
        return dict(self.ask("print", "gcode_line", param=lines).message["print"])

    def start(self, url: str, **fields: Any) -> Reply:
        given = {"param": "Metadata/plate_1.gcode", "subtask_name": "my cube", "url": url, **fields}
        return self.ask("print", "project_file", **given)


@pytest.fixture
def p1s(tmp_path: Path) -> Device:
    return Device("P1S", tmp_path)


@pytest.fixture
def x1c(tmp_path: Path) -> Device:
    return Device("X1C", tmp_path)


def test_gcode_lines_have_their_effect(p1s: Device) -> None:
    p1s.gcode("M104 S220\nM140 S60 ; bed\nM106 P1 S255\nM106 P2 S128\nM106 P3 S64\n")
    fans = p1s.machine.fans
    assert (p1s.machine.nozzle.target, p1s.machine.bed.target) == (220, 60)
    assert (fans.part, fans.aux, fans.chamber) == (255, 128, 64)
    p1s.gcode("M109 S0\nM190 S0\nM107\nM107 P2\nM106 S51\n")
    assert (p1s.machine.nozzle.target, p1s.machine.bed.target) == (0, 0)
    assert (fans.part, fans.aux, fans.chamber) == (51, 0, 64)


def test_home_takes_axes(p1s: Device) -> None:
    p1s.gcode("G28 X\n")
    p1s.machine.advance(20)
    assert p1s.machine.homed == 1
    p1s.gcode("G28\n")
    p1s.machine.advance(20)
    assert p1s.machine.homed == 7
    p1s.gcode("M84\n")
    assert p1s.machine.homed == 0


def test_other_gcode_is_acknowledged(p1s: Device, x1c: Device) -> None:
    assert p1s.gcode("M221 S95\n")["result"] == "success"
    assert x1c.gcode("M221 S95\n") == {
        "command": "gcode_line",
        "sequence_id": "30001",
        "param": "M221 S95\n",
        "result": "SUCCESS",
        "reason": "SUCCESS",
        "err_code": 0,
    }


@pytest.mark.parametrize("line", ["", ";", "M104", "M104 S", "M106 P99 S1", "M104 S" + "9" * 500, "\x00", "G28 Q" * 99])
def test_strange_gcode_does_no_harm(p1s: Device, line: str) -> None:
    assert p1s.gcode(line)["result"] == "success"
    assert p1s.machine.nozzle.target <= 300


def test_print_speed(x1c: Device) -> None:
    assert x1c.ask("print", "print_speed", param="4").result == "SUCCESS"
    assert x1c.machine.speed_level == 4
    assert x1c.ask("print", "print_speed", param="9").result == "fail"
    assert x1c.machine.speed_level == 4


def test_lights(p1s: Device) -> None:
    assert (
        p1s.ask("system", "ledctrl", led_node="chamber_light", led_mode="on").message["system"]["result"] == "success"
    )
    assert p1s.machine.lights == {"chamber_light": "on"}
    refused = p1s.ask("system", "ledctrl", led_node="chamber_light2", led_mode="on").message["system"]
    assert (refused["result"], refused["reason"]) == ("fail", "did not find the valid led: chamber_light2")


def test_version_names_the_model(x1c: Device) -> None:
    modules = x1c.ask("info", "get_version").message["info"]["module"]
    assert modules[0]["name"] == "ota"
    assert (modules[0]["product_name"], modules[0]["sn"]) == ("Bambu Lab X1-Carbon", "SERIAL")


@pytest.mark.parametrize(
    "command", ["pause", "resume", "stop", "gcode_line", "print_speed", "project_file", "gcode_file"]
)
def test_without_developer_mode_control_is_refused(p1s: Device, command: str) -> None:
    reply = p1s.ask("print", command, developer_mode=False, param="M104 S200\n")
    assert reply.message == {
        "print": {
            "command": command,
            "sequence_id": "30001",
            "result": "failed",
            "reason": "mqtt message verify failed",
            "err_code": 84033543,
        }
    }
    assert p1s.machine.hms == [HMS_UNSIGNED]
    assert p1s.machine.nozzle.target == 0
    assert reply.start is None


def test_without_developer_mode_light_and_version_work(p1s: Device) -> None:
    assert (
        p1s.ask("system", "ledctrl", developer_mode=False, led_node="chamber_light", led_mode="on").result == "success"
    )
    assert p1s.ask("info", "get_version", developer_mode=False).result == "success"
    assert p1s.machine.hms == []


def test_unknown_commands_are_not_answered(p1s: Device) -> None:
    handler = RequestHandler(p1s.machine, p1s.storage, "SERIAL")
    assert handler.handle("print", {"command": "dance"}, developer_mode=True) is None
    assert handler.handle("nothing", {}, developer_mode=True) is None


@pytest.mark.parametrize(
    "url",
    ["ftp:///a b.3mf", "ftp://a b.3mf", "ftp:///a%20b.3mf", "file:///sdcard/a b.3mf", "file:///mnt/sdcard/a b.3mf"],
)
def test_every_form_of_url_finds_the_file(p1s: Device, url: str) -> None:
    (p1s.storage / "a b.3mf").write_bytes(make_3mf("cube"))
    start = p1s.start(url).start
    assert start is not None
    assert (start.subtask_name, start.file, start.plate, start.sequence_id) == ("my_cube", "a b.3mf", 1, "30001")


def test_a_file_in_a_folder(x1c: Device) -> None:
    (x1c.storage / "cache").mkdir()
    (x1c.storage / "cache" / "a.3mf").write_bytes(make_3mf("cube", plates=2))
    start = x1c.start("ftp:///cache/a.3mf", param="Metadata/plate_2.gcode").start
    assert start is not None
    assert (start.plate, start.subtask_name) == (2, "my cube")


@pytest.mark.parametrize(
    "url",
    [
        "ftp:///missing.3mf",
        "ftp:///../outside.3mf",
        "ftp:///%2e%2e/outside.3mf",
        "https://example.com/a.3mf",
        "file:///etc/passwd",
        "ftp:///\x00",
        "ftp:///" + "a" * 5000,
        "ftp:///\ud800",
        "",
    ],
)
def test_a_file_that_is_not_on_the_storage_is_accepted_and_fails(tmp_path: Path, url: str) -> None:
    (tmp_path / "outside.3mf").write_bytes(make_3mf("cube"))
    (tmp_path / "card").mkdir()
    device = Device("P1S", tmp_path / "card")
    reply = device.start(url)
    assert (reply.result, reply.start) == ("success", None)
    for _ in range(10):
        device.machine.advance(1)
    assert (device.machine.state, f"{device.machine.print_error:08X}") == (GcodeState.FAILED, "0500C010")


def test_p1s_echoes_the_whole_request(p1s: Device) -> None:
    (p1s.storage / "a.3mf").write_bytes(make_3mf("cube"))
    echo = p1s.start("ftp://a.3mf", task_id="0", timelapse=False).message["print"]
    assert echo["url"] == "ftp://a.3mf"
    assert echo["timelapse"] is False
    assert echo["subtask_name"] == "my_cube"
    assert (echo["result"], echo["reason"]) == ("success", "success")


def test_x1c_echoes_the_essentials(x1c: Device) -> None:
    (x1c.storage / "a.3mf").write_bytes(make_3mf("cube"))
    assert x1c.start("ftp:///a.3mf", task_id="0").message["print"] == {
        "command": "project_file",
        "sequence_id": "30001",
        "param": "Metadata/plate_1.gcode",
        "subtask_name": "my cube",
        "result": "SUCCESS",
        "reason": "SUCCESS",
    }


@pytest.mark.parametrize("model", list(MODELS))
def test_a_second_start_is_refused_as_busy_and_changes_nothing(model: str, tmp_path: Path) -> None:
    device = Device(model, tmp_path)
    (tmp_path / "a.3mf").write_bytes(make_3mf("cube"))
    assert device.start("ftp:///a.3mf").start is not None
    second = device.start("ftp:///a.3mf", subtask_name="second")
    assert (second.result, second.start) == ("fail", None)
    assert (device.machine.print_error, device.machine.subtask_name.replace("_", " ")) == (BUSY, "my cube")
    for _ in range(30):
        device.machine.advance(1)
    assert (device.machine.state, device.machine.print_error) == (GcodeState.RUNNING, 0)


def test_a_plain_gcode_file(x1c: Device) -> None:
    (x1c.storage / "a.gcode").write_text("; total layer number: 3\nG1 X1\n")
    start = x1c.ask("print", "gcode_file", param="/a.gcode").start
    assert start is not None
    assert (start.file, start.plate) == ("a.gcode", 0)


@pytest.mark.parametrize("mapping", [None, "", [], [-1], ["x"], {}, [2, -1]])
def test_any_filament_mapping_is_taken(x1c: Device, mapping: object) -> None:
    (x1c.storage / "a.3mf").write_bytes(make_3mf("cube"))
    x1c.start("ftp:///a.3mf", use_ams=True, ams_mapping=mapping)
    assert x1c.machine.job is not None
    assert x1c.machine.job.tray == ("2" if mapping == [2, -1] else "254")


def test_a_start_is_remembered_with_its_filaments(x1c: Device) -> None:
    (x1c.storage / "a.3mf").write_bytes(make_3mf("cube"))
    start = x1c.start("ftp:///a.3mf", use_ams=True, ams_mapping=[1, -1, 0]).start
    assert start is not None
    assert (start.use_ams, start.ams_mapping) == (True, (1, -1, 0))


@pytest.mark.parametrize("model", list(MODELS))
def test_a_start_from_an_empty_slot_fails(model: str, tmp_path: Path) -> None:
    device = Device(model, tmp_path)
    (tmp_path / "a.3mf").write_bytes(make_3mf("cube"))
    device.start("ftp:///a.3mf", use_ams=True, ams_mapping=[3])
    for _ in range(30):
        device.machine.advance(1)
    assert (device.machine.state, device.machine.print_error) == (GcodeState.FAILED, AMS_MAPPING)


def test_the_ams_units_are_among_the_modules(p1s: Device) -> None:
    p1s.machine.filaments = Filaments.parse({"units": [1, 128]})
    modules = p1s.ask("info", "get_version").message["info"]["module"]
    assert [each["name"] for each in modules][-2:] == ["ams/1", "n3s/128"]
