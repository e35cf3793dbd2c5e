"""The printer's reports: everything (`push_status`, msg 0) and what changed (msg 1)."""

from typing import Any

from local.simulator.machine import SPEEDS, GcodeState, Machine, Phase, Stage

Frame = dict[str, Any]

_SIGNATURE_REQUIRED = 0x20000000
"""Bit 29 of `fun`: control messages must be signed, that is, Developer Mode is off."""
_FUN = 0x118_3_0F9CFB & ~_SIGNATURE_REQUIRED
_RIPPLE = (0, 1, 2, 1, 0, -1, -2, -1)
"""Deterministic unrest of a held temperature, in 1/32 °C."""
_ALWAYS_IN_DELTA = ("command", "msg", "sequence_id")
_LEFT_OUT = ("upgrade_state", "xcam", "vt_tray", "net", "online")
"""What an X1 leaves out of every second frame."""
_TRAYS = (("PLA", "GFL99", "FFFFFFFF"), ("PLA", "GFL99", "161616FF"), ("PETG", "GFG99", "2FA36BFF"))
_NOZZLE_RANGE = {"PLA": ("190", "240"), "PETG": ("220", "270")}


def full_frame(machine: Machine, *, beat: int, developer_mode: bool) -> Frame:
    """Everything the printer reports; `beat` counts frames and drives the unrest of the temperatures."""
    frame = _job(machine) | _temperatures(machine, beat) | _surroundings(machine)
    if not machine.model.sends_deltas:
        frame |= _new_protocol(machine, developer_mode)
    return frame


def changed_fields(previous: Frame, current: Frame) -> Frame:
    """What is new in `current`; of `ams` only the new parts, as captured."""
    delta = {key: value for key, value in current.items() if previous.get(key) != value}
    if "ams" in delta and "ams" in previous:
        delta["ams"] = {key: value for key, value in current["ams"].items() if previous["ams"].get(key) != value}
    return delta


def near_complete(frame: Frame) -> Frame:
    """A frame without the parts that an X1 does not repeat every time."""
    return {key: value for key, value in frame.items() if key not in _LEFT_OUT}


def _job(machine: Machine) -> Frame:
    frame: Frame = {
        "gcode_state": str(machine.state),
        "mc_percent": machine.percent,
        "mc_remaining_time": machine.remaining_minutes,
        "mc_print_stage": _print_stage(machine),
        "mc_print_sub_stage": 0,
        "mc_print_error_code": str(machine.print_error & 0xFFFF),
        "layer_num": machine.layer,
        "total_layer_num": machine.total_layers,
        "print_error": machine.print_error,
        "print_type": machine.print_type,
        "gcode_file": machine.gcode_file,
        "gcode_file_prepare_percent": str(machine.prepare_percent),
        "subtask_name": machine.subtask_name,
        "stg": [Stage.BED_PREHEAT, Stage.HOTEND_HEAT, Stage.HOMING] if machine.busy else [],
        "stg_cur": machine.stage,
        "hms": [{"attr": attr, "code": code} for attr, code in machine.hms],
        "spd_lvl": machine.speed_level,
        "spd_mag": SPEEDS[machine.speed_level],
        "s_obj": [],
    }
    return frame | machine.ids


def _print_stage(machine: Machine) -> str:
    if machine.state is GcodeState.PAUSE:
        return "3"
    printing = machine.job is not None and machine.job.phase is Phase.PRINTING
    return "2" if printing else "1"


def _temperatures(machine: Machine, beat: int) -> Frame:
    nozzle, bed = machine.nozzle, machine.bed
    frame: Frame = {"nozzle_target_temper": round(nozzle.target), "bed_target_temper": round(bed.target)}
    if machine.model.sends_deltas:
        unrest = _RIPPLE[beat % len(_RIPPLE)] / 32
        frame |= {
            "nozzle_temper": _thirty_seconds(nozzle.current) + (unrest if nozzle.target else 0),
            "bed_temper": _thirty_seconds(bed.current) + (unrest if bed.target else 0),
            "chamber_temper": 5,
        }
    else:
        frame |= {"nozzle_temper": round(nozzle.current), "bed_temper": round(bed.current)}
    return frame


def _thirty_seconds(value: float) -> float:
    return round(value * 32) / 32


def _surroundings(machine: Machine) -> Frame:
    fans = machine.fans
    return {
        "cooling_fan_speed": _fifteenths(fans.part),
        "big_fan1_speed": _fifteenths(fans.aux),
        "big_fan2_speed": _fifteenths(fans.chamber),
        "heatbreak_fan_speed": _fifteenths(fans.hotend),
        "fan_gear": fans.part | fans.aux << 8 | fans.chamber << 16,
        "lights_report": [{"node": node, "mode": mode} for node, mode in machine.lights.items()],
        "home_flag": machine.model.home_flag | machine.homed,
        "hw_switch_state": 1,
        "ams_status": machine.ams_status,
        "ams_rfid_status": 0,
        "ams": _ams(machine),
        "vt_tray": {"id": "254", "tray_type": "", "tray_color": "00000000", "tray_info_idx": "", "remain": 0},
        "sdcard": True,
        "wifi_signal": "-48dBm",
        "nozzle_diameter": "0.4",
        "nozzle_type": "hardened_steel",
        "lifecycle": "product",
        "force_upgrade": False,
        "online": {"ahb": False, "rfid": False, "version": 1},
        "upload": {"status": "idle", "progress": 0, "message": ""},
        "ipcam": {
            "ipcam_dev": "1",
            "ipcam_record": machine.recording,
            "timelapse": machine.timelapse,
            "resolution": "" if machine.model.sends_deltas else "1080p",
            "mode_bits": 3,
        },
        "upgrade_state": {"sequence_id": 0, "progress": "", "status": "IDLE", "message": "", "new_version_state": 2},
        "net": {"conf": 0, "info": [{"ip": 16777343, "mask": 255}]},
    }


def _fifteenths(value: int) -> str:
    return str(round(value * 15 / 255))


def _ams(machine: Machine) -> Frame:
    trays: list[Frame] = [
        {
            "id": str(slot),
            "remain": 80,
            "tag_uid": "0000000000000000",
            "tray_info_idx": profile,
            "tray_type": material,
            "tray_sub_brands": "",
            "tray_color": colour,
            "nozzle_temp_min": _NOZZLE_RANGE[material][0],
            "nozzle_temp_max": _NOZZLE_RANGE[material][1],
            "tray_uuid": "00000000000000000000000000000000",
        }
        for slot, (material, profile, colour) in enumerate(_TRAYS)
    ]
    trays.append({"id": str(len(_TRAYS))})
    return {
        "ams": [{"id": "0", "humidity": "4", "temp": "25.0", "tray": trays}],
        "ams_exist_bits": "1",
        "tray_exist_bits": "7",
        "tray_is_bbl_bits": "7",
        "tray_now": machine.tray_now,
        "tray_tar": machine.tray_target,
        "tray_pre": machine.tray_now,
        "tray_read_done_bits": "7",
        "tray_reading_bits": "0",
        "version": 4,
    }


def _new_protocol(machine: Machine, developer_mode: bool) -> Frame:
    chamber = round(machine.chamber.current)
    return {
        "fun": f"{_FUN if developer_mode else _FUN | _SIGNATURE_REQUIRED:X}",
        "info": {"temp": chamber},
        "device": {
            "type": 1,
            "bed": {"info": {"temp": _packed(machine.bed.current, machine.bed.target)}, "state": 0},
            "bed_temp": _packed(machine.bed.current, machine.bed.target),
            "ctc": {"info": {"temp": chamber}, "state": 0},
            "extruder": {
                "info": [{"id": 0, "temp": _packed(machine.nozzle.current, machine.nozzle.target), "snow": 65535}],
                "state": 1,
            },
            "nozzle": {"exist": 1, "info": [{"diameter": 0.4, "id": 0, "type": "HX01", "wear": 0}], "state": 0},
        },
        "xcam": {"first_layer_inspector": True, "printing_monitor": True, "spaghetti_detector": True},
    }


def _packed(current: float, target: float) -> int:
    """The current temperature in the low 16 bits, the target in the high ones."""
    return round(target) << 16 | round(current)
