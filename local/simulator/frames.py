"""The printer's reports: everything (`push_status`, msg 0) and what changed (msg 1)."""

from typing import Any

from local.simulator.filaments import EXTERNAL, HT_BASE, TRAYS, Filaments, Spool, slots_of
from local.simulator.machine import SPEEDS, GcodeState, Machine, Phase, Stage
from local.simulator.mechanics import EMPTY
from local.simulator.models import SIGNATURE_BIT

Frame = dict[str, Any]

_RIPPLE = (0, 1, 2, 1, 0, -1, -2, -1)
"""Deterministic unrest of a held temperature, in 1/32 °C."""
_ALWAYS_IN_DELTA = ("command", "msg", "sequence_id")
_LEFT_OUT = ("upgrade_state", "xcam", "vt_tray", "net", "online")
"""What an X1 leaves out of every second frame."""
_PROFILES = {"PLA": "GFL99", "PETG": "GFG99", "ABS": "GFB99", "TPU": "GFU99"}
_NOZZLE_RANGE = {"PLA": ("190", "240"), "PETG": ("220", "270"), "ABS": ("240", "280"), "TPU": ("200", "250")}
_ANY_RANGE = ("190", "300")
_HT_BIT = 4
"""AMS HT number n (id 128 + n) has bit 4 + n in `ams_exist_bits` and bit 16 + n in `tray_exist_bits` (recorded)."""


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
        "s_obj": sorted(machine.skipped),
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
        "vt_tray": _external(machine.filaments),
        "sdcard": True,
        "wifi_signal": "-48dBm",
        "nozzle_diameter": str(machine.filaments.nozzle_diameter),
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
    """The units and their trays; an empty tray has its id alone."""
    filaments = machine.filaments
    trays = f"{sum(1 << _tray_bit(slot) for slot in filaments.loaded if slot != EXTERNAL):x}"
    return {
        "ams": [_unit(unit, filaments) for unit in filaments.units],
        "ams_exist_bits": f"{sum(1 << _unit_bit(unit) for unit in filaments.units):x}",
        "tray_exist_bits": trays,
        "tray_is_bbl_bits": trays,
        "tray_now": machine.tray_now,
        "tray_tar": machine.tray_target,
        "tray_pre": machine.tray_now,
        "tray_read_done_bits": trays,
        "tray_reading_bits": "0",
        "version": 4,
    }


def _unit(unit: int, filaments: Filaments) -> Frame:
    trays: list[Frame] = []
    for index, slot in enumerate(slots_of(unit)):
        spool = filaments.loaded.get(slot)
        trays.append({"id": str(index)} if spool is None else {"id": str(index), **_spool(spool)})
    return {"id": str(unit), "humidity": "4", "temp": "25.0", "tray": trays}


def _external(filaments: Filaments) -> Frame:
    """The external spool as somebody declared it; what is left of it is always 0."""
    spool = filaments.loaded.get(EXTERNAL)
    empty = {"tray_type": "", "tray_color": "00000000", "tray_info_idx": ""}
    return {"id": str(EXTERNAL), **(empty if spool is None else _spool(spool)), "remain": 0}


def _spool(spool: Spool) -> Frame:
    lowest, highest = _NOZZLE_RANGE.get(spool.type, _ANY_RANGE)
    return {
        "remain": spool.remain,
        "tag_uid": "0000000000000000",
        "tray_info_idx": _PROFILES.get(spool.type, "GFL99"),
        "tray_type": spool.type,
        "tray_sub_brands": "",
        "tray_color": f"{spool.color.removeprefix('#')}FF",
        "nozzle_temp_min": lowest,
        "nozzle_temp_max": highest,
        "tray_uuid": "00000000000000000000000000000000",
    }


def _unit_bit(unit: int) -> int:
    return unit if unit < HT_BASE else _HT_BIT + unit - HT_BASE


def _tray_bit(slot: int) -> int:
    return slot if slot < HT_BASE else _HT_BIT * TRAYS + slot - HT_BASE


def _new_protocol(machine: Machine, developer_mode: bool) -> Frame:
    chamber = _packed(machine.chamber.current, machine.chamber_target)
    fun = machine.model.fun or 0
    device: Frame = {
        "type": 1,
        "bed": {"info": {"temp": _packed(machine.bed.current, machine.bed.target)}, "state": 0},
        "bed_temp": _packed(machine.bed.current, machine.bed.target),
        "ctc": {"info": {"temp": chamber}, "state": 0},
        "extruder": {"info": _extruders(machine), "state": machine.model.nozzles},
        "nozzle": {
            "exist": (1 << machine.model.nozzles) - 1,
            "info": [
                {"diameter": machine.filaments.nozzle_diameter, "id": index, "type": "HX01", "wear": 0}
                for index in range(machine.model.nozzles)
            ],
            "state": 0,
        },
    }
    if machine.model.air_duct:
        device["airduct"] = {"modeCur": int(machine.air_duct_heats), "parts": _air_duct(machine), "version": 1}
    return {
        "fun": f"{fun if developer_mode else fun | 1 << SIGNATURE_BIT:X}",
        "stat": "0",
        "info": {"temp": chamber & 0xFFFF},
        "device": device,
        "xcam": {"first_layer_inspector": True, "printing_monitor": True, "spaghetti_detector": True},
    }


def _extruders(machine: Machine) -> list[Frame]:
    """Each nozzle with what it holds; the AMS feeds the right one."""
    held = (_held(machine.tray_now), 0xFFFF)
    return [
        {"id": index, "temp": _packed(heater.current, heater.target), "snow": held[index]}
        for index, heater in enumerate(machine.nozzles)
    ]


def _held(tray: str) -> int:
    """The AMS in the upper byte, the place in it in the lower one."""
    if tray == EMPTY:
        return 0xFFFF
    slot = int(tray)
    if slot == EXTERNAL:
        return 0xFF00
    return slot << 8 if slot >= HT_BASE else slot // TRAYS << 8 | slot % TRAYS


def _air_duct(machine: Machine) -> list[Frame]:
    """The fans in percent; a part's id has its number in the upper bits."""
    fans = machine.fans
    values = {1: fans.part, 2: fans.aux, 3: fans.chamber, 10: fans.aux2}
    percent = {number: round(values[number] * 100 / 255) for number in machine.model.fans}
    return [
        {"func": 0, "id": number << 4, "range": 6553600, "state": now, "tar_state": now}
        for number, now in percent.items()
    ]


def _packed(current: float, target: float) -> int:
    """The current temperature in the low 16 bits, the target in the high ones."""
    return round(target) << 16 | round(current)
