"""G-code and metadata that no printer should see: each is refused by name, and nothing of it is kept."""

import json
from typing import Any

import pytest

from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

GCODE: dict[str, str] = {
    "two lines": "G28\nM112",
    "a carriage return": "G28\rM500",
    "a tab": "G28\tM500",
    "a null": "G28\x00M500",
    "an escape sequence": "G28\x1b[2J",
    "a delete": "G28\x7f",
    "a next line": "G28\x85M500",
    "a line separator": "G28\u2028M500",
    "a paragraph separator": "G28\u2029M500",
    "a direction override": "G28\u202eX",
    "a zero-width space": "G28\u200bM500",
    "nothing": "",
    "blanks": "   ",
    "257 bytes": "G28" + " " * 254,
    "256 characters of 257 bytes": "M117 é" + "x" * 250,
    "a comment": "G28 ; M500",
    "a comment without a blank": "G28;M500",
    "a comment in brackets": "(G28) M500",
    "brackets that hide a word": "G28 (X) Z",
    "a line number": "N1 G28",
    "a checksum": "G28*18",
    "a block delete": "/G28",
    "two commands": "G28 M500",
    "two commands without a blank": "G28M500",
    "a full-width letter": "Ｇ28",
    "a foreign digit": "G1 X١",
    "an exponent": "G1 X1E3",
    "a hexadecimal": "G1 X0x10",
    "an axis without a number": "G1 X",
    "an axis twice": "G1 X1 X400",
    "too far": "G1 X10000",
    "too far down": "G1 Z-1000",
    "too much filament": "G1 E5000",
    "too fast": "G1 X10 F100000",
    "standing still": "G1 X10 F0",
    "a long wait": "G4 S86400",
    "a long wait in milliseconds": "G4 P86400000",
    "homing Z alone": "G28 Z",
    "homing Z alone with zeros": "g028 z0",
    "a nozzle too hot": "M104 S301",
    "a nozzle too hot behind a good value": "M104 S200 S400",
    "a nozzle too hot to wait for": "M109 R400",
    "an automatic temperature": "M104 S200 F1 B400",
    "a nozzle too cold": "M104 S-300",
    "a bed too hot": "M140 S121",
    "a bed too hot to wait for": "M190 R200",
    "a chamber too hot": "M141 S66",
    "a fan beyond its range": "M106 S256",
    "a speed too high": "M220 S1000",
    "a speed of nothing": "M220 S0",
    "a flow too high": "M221 S500",
    "an emergency stop": "M112",
    "an emergency stop with a zero": "M0112",
    "an emergency stop in small letters": "m112",
    "settings stored": "M500",
    "settings reset": "M502",
    "settings erased": "M504",
    "firmware": "M997",
    "a file opened": "M23 a.gcode",
    "a file printed": "M24",
    "a file written": "M28 a.gcode",
    "a file closed": "M29",
    "a file deleted": "M30 a.gcode",
    "a file chosen and printed": "M32 a.gcode",
    "power off": "M81",
    "cold extrusion": "M302 S0",
    "thermal protection tuned": "M303 E0 S300",
    "end stops off": "M211 S0",
    "steps per mm": "M92 X8000",
    "motor current": "M906 X5000",
    "a pin": "M42 P1 S255",
    "another tool": "T1",
    "inches": "G20",
    "no G-code": "rm -rf /",
    "a macro": "{G28}",
    "a system command": "$H",
}

METADATA: dict[str, tuple[str, str, str]] = {
    "G-code as a number": ("sendGcode", '{"gcode": 28}', "metadata.gcode"),
    "G-code as a list": ("sendGcode", '{"gcode": ["G28"]}', "metadata.gcode"),
    "G-code as an object": ("sendGcode", '{"gcode": {"line": "G28"}}', "metadata.gcode"),
    "G-code as null": ("sendGcode", '{"gcode": null}', "metadata.gcode"),
    "no G-code": ("custom_gcode", "{}", "metadata.gcode"),
    "two G-codes": ("custom_gcode", '{"gcode": "G28", "command": "M105"}', "metadata.command"),
    "half a surrogate pair": ("sendGcode", '{"gcode": "G28 \\ud800"}', "metadata.gcode"),
    "metadata as a list": ("pause", "[]", "metadata"),
    "metadata as text": ("pause", '"now"', "metadata"),
    "a nozzle too hot": ("heat", '{"nozzleTemp": 301}', "metadata.nozzleTemp"),
    "a nozzle slightly too hot": ("heat", '{"nozzleTemp": 300.0001}', "metadata.nozzleTemp"),
    "a nozzle too cold": ("heat", '{"nozzleTemp": -1}', "metadata.nozzleTemp"),
    "a nozzle too hot beside a good bed": ("setHeat", '{"bedTemp": 60, "nozzle_temp": 999}', "metadata.nozzle_temp"),
    "a bed too hot": ("set_bed_temp", '{"target": 121}', "metadata.target"),
    "a bed of two minds": ("set_bed_temp", '{"target": 60, "bedTemp": 120}', "metadata.bedTemp"),
    "a chamber too hot": ("setChamberTemp", '{"target": 66}', "metadata.target"),
    "a temperature as text": ("heat", '{"bedTemp": "60"}', "metadata.bedTemp"),
    "a temperature that is true": ("heat", '{"bedTemp": true}', "metadata.bedTemp"),
    "a temperature as a list": ("heat", '{"bedTemp": [60]}', "metadata.bedTemp"),
    "no number": ("heat", '{"bedTemp": NaN}', "body"),
    "infinity": ("heat", '{"bedTemp": Infinity}', "body"),
    "a number beyond doubles": ("heat", '{"bedTemp": 1e400}', "metadata.bedTemp"),
    "a number beyond 64 bits": ("heat", '{"bedTemp": 99999999999999999999}', "metadata.bedTemp"),
    "no temperature": ("heat", "{}", "metadata"),
    "no target": ("set_nozzle_temp", '{"bedTemp": 60}', "metadata.target"),
    "a fan too fast": ("fan", '{"percent": 100.5}', "metadata.percent"),
    "a fan backwards": ("set_fan_speed", '{"speed": -1}', "metadata.speed"),
    "no such fan": ("fan", '{"percent": 50, "fan": "desk"}', "metadata.fan"),
    "a fan that is false": ("fan", '{"fanPercent": false}', "metadata.fanPercent"),
    "a speed too low": ("set_print_speed", '{"percent": 9}', "metadata.percent"),
    "a speed too high": ("speed", '{"speedPercent": 301}', "metadata.speedPercent"),
    "no speed": ("speed", "{}", "metadata.percent"),
    "a flow too low": ("set_flow_rate", '{"percent": 49}', "metadata.percent"),
    "a flow too high": ("set_flow_rate", '{"flow_rate": 201}', "metadata.flow_rate"),
    "a move too far": ("move", '{"x": 501}', "metadata.x"),
    "a move nowhere": ("jog", '{"feedrate": 1000}', "metadata"),
    "a move at no speed": ("move", '{"x": 1, "feedrate": 0}', "metadata.feedrate"),
    "a move too fast": ("move", '{"x": 1, "feed_rate": 30001}', "metadata.feed_rate"),
    "a move as text": ("move", '{"x": "1; M112"}', "metadata.x"),
    "an axis that is none": ("home", '{"axes": "xyzE"}', "metadata.axes"),
    "an axis with a line behind it": ("home", '{"axes": "x\\n"}', "metadata.axes"),
    "slot 0": ("load_filament", '{"slot": 0}', "metadata.slot"),
    "slot 17": ("unload_filament", '{"slot": 17}', "metadata.slot"),
    "half a slot": ("load_filament", '{"slot": 1.5}', "metadata.slot"),
    "a camera that is broken": ("camera", '{"cameraState": "broken"}', "metadata.cameraState"),
    "a camera without a state": ("camera", "{}", "metadata.cameraState"),
    "a start without a file": ("start", "{}", "metadata.fileName"),
    "a path for a file name": ("start_print", '{"fileName": "../../etc/passwd"}', "metadata.fileName"),
    "a path with backslashes": ("start_print", '{"fileName": "..\\\\a.3mf"}', "metadata.fileName"),
    "a line break in a file name": ("start_print", '{"fileName": "a.3mf\\r\\nDELE b"}', "metadata.fileName"),
    "an over-long file name": ("start_print", f'{{"fileName": "{"a" * 256}"}}', "metadata.fileName"),
    "plate 0": ("start_print", '{"fileName": "a.3mf", "plateIndex": 0}', "metadata.plateIndex"),
    "plate 65": ("start_print", '{"fileName": "a.3mf", "plate_index": 65}', "metadata.plate_index"),
    "a plate path with a blank": ("start_print", '{"fileName": "a.3mf", "paramPath": "a b"}', "metadata.paramPath"),
    "an AMS that is text": ("start_print", '{"fileName": "a.3mf", "useAms": "yes"}', "metadata.useAms"),
    "an AMS slot that is none": ("start_print", '{"fileName": "a.3mf", "amsMapping": [-2]}', "metadata.amsMapping.0"),
    "an endless AMS mapping": (
        "start_print",
        json.dumps({"fileName": "a.3mf", "amsMapping": [0] * 33}),
        "metadata.amsMapping",
    ),
    "a path for a job": ("start_print", '{"fileName": "a.3mf", "jobId": "a/../b"}', "metadata.jobId"),
    "a reserved name for a file": ("start_print", '{"fileName": "a.3mf", "fileId": "__all__"}', "metadata.fileId"),
    "a path for a stop's job": ("stop_print", '{"printJobId": "a/b"}', "metadata.printJobId"),
    "a number for a stop's job": ("cancel", '{"printJobId": 7}', "metadata.printJobId"),
    "a download of nothing": ("download", '{"jobId": "job-1"}', "metadata"),
    "a download of a local file": ("download", '{"url": "file:///etc/passwd"}', "metadata.url"),
    "a download of a script": ("download", '{"url": "javascript:alert(1)"}', "metadata.url"),
    "a download with a user": ("download", '{"url": "https://a@b.example/c.3mf"}', "metadata.url"),
    "a download from nowhere": ("download", '{"url": "https:///c.3mf"}', "metadata.url"),
    "a download with a line break": ("download", '{"url": "https://a.example/\\r\\nX: y"}', "metadata.url"),
    "a download of half an address": ("download", '{"url": "https://[::1/c.3mf"}', "metadata.url"),
    "a reason as a number": ("pause", '{"reason": 5}', "metadata.reason"),
    "an over-long reason": ("pause", json.dumps({"reason": "x" * 5000}), "metadata.reason"),
}

TYPES = ["list_files", "fetchFile", "send-file", "test_connection", "explode", "set_temperature; M112", "__class__"]


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Site:
    """One tenant for all of them: it stays as empty as it was."""
    return cloud.new_site()


def _assert_refused(cloud: Cloud, site: Site, command: str, metadata: str, field: str) -> dict[str, Any]:
    body = f'{{"recipientId": "{site.lan_recipient}", "commandType": {json.dumps(command)}, "metadata": {metadata}}}'
    answer = cloud.call(
        "POST", "/control", key=site.lan_key, data=body.encode(), headers={"Content-Type": "application/json"}
    )
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["error_type"], told["detail"]) == (400, "ValidationError", field), answer.text
    assert cloud.documents("printer_commands", site.lan_recipient) == []
    assert cloud.documents("audit_log", site.lan_recipient) == []
    return told


def test_there_are_enough_of_them() -> None:
    assert len(GCODE) >= 50
    assert len(METADATA) >= 50


@pytest.mark.parametrize("case", GCODE)
def test_hostile_gcode_is_refused(cloud: Cloud, site: Site, case: str) -> None:
    told = _assert_refused(cloud, site, "sendGcode", json.dumps({"gcode": GCODE[case]}), "metadata.gcode")
    assert len(told["message"]) > len("metadata.gcode: ")


@pytest.mark.parametrize("case", METADATA)
def test_hostile_metadata_is_refused(cloud: Cloud, site: Site, case: str) -> None:
    _assert_refused(cloud, site, *METADATA[case])


@pytest.mark.parametrize("command", TYPES)
def test_what_is_no_command_is_refused(cloud: Cloud, site: Site, command: str) -> None:
    _assert_refused(cloud, site, command, "{}", "commandType")
