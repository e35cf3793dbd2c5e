"""The normal form of a printer's merged picture: typed, in °C, seconds and percent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_agent.drivers.bambu.extruders import Extruders, Nozzle, extruders, unpacked
from edge_agent.drivers.bambu.filaments import Filament, loaded, nozzle_diameter, tray_slot
from edge_agent.drivers.bambu.hms import VERIFY_FAILED
from edge_agent.drivers.bambu.numbers import flags, integer, number, objects, text, within
from edge_agent.drivers.base import PrinterState

ACTIVE = frozenset({"PREPARE", "SLICING", "RUNNING", "PAUSE"})
INTERNAL_SUBTASKS = ("auto_cali_for_user", "auto_pa_line_calib_mode", "auto_filament_cali")
WORD = 0xFFFFFFFF
NO_ERROR: tuple[tuple[int, int], ...] = ()

SIGNATURE_BIT, HOMING_BIT, AXIS_BIT, BED_BIT, SKIP_BIT = 29, 32, 38, 39, 49
"""Of `fun`: control has to be signed; requests of their own for homing, moving, the bed's target, skipping objects."""
AXIS_BITS: Mapping[str, int] = {"x": 1, "y": 2, "z": 4}
"""Of `home_flag`: which axes are homed."""
AMS_IDLE, AMS_CHANGING, AMS_ASSISTING = 0, 1, 3
"""The upper byte of `ams_status`."""

Storage = Literal["none", "ok", "abnormal", "read_only"]

_STORAGES: tuple[Storage, ...] = ("none", "ok", "abnormal", "read_only")
_DOOR_BIT = 23
_SIGNAL = re.compile(r"-?\d{1,3}")
_STATES: dict[str, PrinterState] = {
    "IDLE": "idle",
    "INIT": "idle",
    "SLICING": "preparing",
    "PREPARE": "preparing",
    "RUNNING": "printing",
    "PAUSE": "paused",
    "FINISH": "completed",
    "FAILED": "failed",
    "OFFLINE": "offline",
}
_FANS = {1: "part", 2: "aux", 3: "chamber", 10: "aux2"}
"""The fans by their number: in `M106 P…`, and in the upper bits of an air duct part's id."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of the printer. What it does not report is None.

    `fun` are its firmware's abilities as bits, `homed_axes` bits as in AXIS_BITS. `in_nozzles` are the slots whose
    filament is in a nozzle now. `skipped` are the objects that the running print leaves out.
    """

    gcode_state: str = "UNKNOWN"
    percent: int | None = None
    remaining_seconds: int | None = None
    layer: int = 0
    total_layers: int = 0
    bed: float | None = None
    bed_target: float | None = None
    nozzle: float | None = None
    nozzle_target: float | None = None
    nozzles: tuple[Nozzle, ...] = ()
    active_nozzle: int | None = None
    chamber: float | None = None
    chamber_target: float | None = None
    subtask_name: str = ""
    subtask_id: str = ""
    gcode_file: str = ""
    print_type: str = ""
    print_error: int = 0
    hms: tuple[tuple[int, int], ...] = NO_ERROR
    stage: int | None = None
    speed_level: int | None = None
    speed_percent: int | None = None
    fans: Mapping[str, float] = field(default_factory=dict)
    air_duct: bool = False
    """Whether the fans are those of an air duct, which names all that are fitted."""
    lights: Mapping[str, str] = field(default_factory=dict)
    ams_status: int | None = None
    in_nozzles: frozenset[int] | None = None
    homed_axes: int | None = None
    fun: int | None = None
    filaments: tuple[Filament, ...] | None = None
    nozzle_diameter: float | None = None
    recording: bool | None = None
    timelapse: bool | None = None
    skipped: frozenset[int] | None = None
    storage: Storage | None = None
    door_open: bool | None = None
    wifi_dbm: int | None = None
    rtsp_url: str | None = None
    """Where its camera's video is, or `disable`; P1 and A1 do not tell one."""

    @property
    def active(self) -> bool:
        """Whether a job occupies the printer."""
        return self.gcode_state in ACTIVE

    @property
    def state(self) -> PrinterState:
        """The product's word for the state."""
        return _STATES.get(self.gcode_state, "unknown")

    @property
    def signature_required(self) -> bool | None:
        """Whether control has to be signed, which we never do: Developer Mode is off."""
        return self.offers(SIGNATURE_BIT)

    @property
    def refuses_unsigned(self) -> bool:
        """Whether the printer hints that Developer Mode is off; an acknowledgement is the authority."""
        return self.signature_required is True or VERIFY_FAILED in self.hms

    @property
    def internal_job(self) -> bool:
        """Whether what runs is the printer's own (calibration), not a customer's job."""
        return self.print_type == "system" or self.subtask_name.startswith(INTERNAL_SUBTASKS)

    @property
    def homed(self) -> bool | None:
        """Whether every axis is homed."""
        return None if self.homed_axes is None else self.homed_axes == 0b111

    @property
    def ams_action(self) -> int | None:
        """What the AMS does: AMS_IDLE, AMS_CHANGING, AMS_ASSISTING, or another of its numbers."""
        return None if self.ams_status is None else self.ams_status >> 8 & 0xFF

    @property
    def ams_step(self) -> int | None:
        """The step of what the AMS does."""
        return None if self.ams_status is None else self.ams_status & 0xFF

    @property
    def skips_objects(self) -> bool:
        """Whether the firmware can leave objects out: it says so, or says nothing but lists those left out."""
        return bool(self.offers(SKIP_BIT)) if self.fun is not None else self.skipped is not None

    def offers(self, bit: int) -> bool | None:
        """Whether the firmware has this ability; None where it does not tell."""
        return None if self.fun is None else bool(self.fun >> bit & 1)

    def nozzle_at(self, index: int) -> Nozzle | None:
        """The nozzle of this number, where the printer reports each."""
        return next((nozzle for nozzle in self.nozzles if nozzle.index == index), None)


def picture(raw: Mapping[str, Any]) -> Picture:
    """The normal form of a merged `print` object (section C of the protocol notes)."""
    bed, bed_target = unpacked(within(raw, "device", "bed", "info", "temp"))
    chamber, chamber_target = unpacked(within(raw, "device", "ctc", "info", "temp"))
    if chamber is None:
        chamber, chamber_target = _plain(within(raw, "info", "temp"))
    heads = extruders(raw)
    home_flag = integer(raw.get("home_flag"))
    duct = _air_duct(raw)
    remaining = integer(raw.get("mc_remaining_time"))
    return Picture(
        gcode_state=text(raw.get("gcode_state") or "UNKNOWN").upper(),
        percent=integer(raw.get("mc_percent")),
        remaining_seconds=None if remaining is None else remaining * 60,
        layer=integer(raw.get("layer_num")) or 0,
        total_layers=integer(raw.get("total_layer_num")) or 0,
        bed=_first(number(raw.get("bed_temper")), bed),
        bed_target=_first(number(raw.get("bed_target_temper")), bed_target),
        nozzle=_first(number(raw.get("nozzle_temper")), heads.current),
        nozzle_target=_first(number(raw.get("nozzle_target_temper")), heads.target),
        nozzles=heads.nozzles,
        active_nozzle=heads.active,
        chamber=_first(number(raw.get("chamber_temper")), chamber),
        chamber_target=_first(number(raw.get("chamber_target_temper")), chamber_target),
        subtask_name=text(raw.get("subtask_name")),
        subtask_id=text(raw.get("subtask_id")),
        gcode_file=text(raw.get("gcode_file")),
        print_type=text(raw.get("print_type")),
        print_error=(integer(raw.get("print_error")) or 0) & WORD,
        hms=_hms(raw.get("hms")),
        stage=integer(raw.get("stg_cur")),
        speed_level=integer(raw.get("spd_lvl")),
        speed_percent=integer(raw.get("spd_mag")),
        fans=_fans(raw) | duct,
        air_duct=bool(duct),
        lights={text(item.get("node")): text(item.get("mode")) for item in objects(raw.get("lights_report"))},
        ams_status=integer(raw.get("ams_status")),
        in_nozzles=_in_nozzles(raw, heads),
        homed_axes=None if home_flag is None else home_flag & 0b111,
        fun=flags(raw.get("fun")),
        filaments=loaded(raw),
        nozzle_diameter=nozzle_diameter(raw),
        rtsp_url=text(within(raw, "ipcam", "rtsp_url")) or None,
        recording=_switch(within(raw, "ipcam", "ipcam_record")),
        timelapse=_switch(within(raw, "ipcam", "timelapse")),
        skipped=_numbers(raw.get("s_obj")),
        storage=_storage(home_flag, raw.get("sdcard")),
        door_open=_door(raw),
        wifi_dbm=_signal(raw.get("wifi_signal")),
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _plain(value: Any) -> tuple[float | None, float | None]:
    """Current and target of a field that older firmware wrote as a plain temperature."""
    current, target = unpacked(value)
    return current, target or None


def _in_nozzles(raw: Mapping[str, Any], heads: Extruders) -> frozenset[int] | None:
    """The slots in the nozzles: as each extruder says, else the one that the AMS names."""
    if heads.slots is not None:
        return heads.slots
    tray = within(raw, "ams", "tray_now")
    if integer(tray) is None:
        return None
    slot = tray_slot(tray)
    return frozenset() if slot is None else frozenset({slot})


def _hms(value: Any) -> tuple[tuple[int, int], ...]:
    pairs = ((integer(item.get("attr")), integer(item.get("code"))) for item in objects(value))
    return tuple((attr & WORD, code & WORD) for attr, code in pairs if attr is not None and code is not None)


def _fans(raw: Mapping[str, Any]) -> dict[str, float]:
    """Percent by fan, from the 0..15 steps, else from fan_gear's bytes."""
    gear = integer(raw.get("fan_gear"))
    steps = {"part": "cooling_fan_speed", "aux": "big_fan1_speed", "chamber": "big_fan2_speed"}
    fans: dict[str, float] = {}
    for place, (fan, name) in enumerate(steps.items()):
        step = number(raw.get(name))
        if step is not None:
            fans[fan] = step * 100 / 15
        elif gear is not None:
            fans[fan] = ((gear >> 8 * place) & 0xFF) * 100 / 255
    return fans


def _air_duct(raw: Mapping[str, Any]) -> dict[str, float]:
    """Percent by fan of a printer with an air duct (H2, P2S); others have no such parts."""
    fans: dict[str, float] = {}
    for part in objects(within(raw, "device", "airduct", "parts")):
        place, state = integer(part.get("id")), number(part.get("state"))
        if place is not None and state is not None and (fan := _FANS.get(place >> 4)) is not None:
            fans[fan] = state
    return fans


def _switch(value: Any) -> bool | None:
    return {"enable": True, "disable": False}.get(text(value))


def _numbers(value: Any) -> frozenset[int] | None:
    if not isinstance(value, list):
        return None
    return frozenset(found for each in value if (found := integer(each)) is not None)


def _storage(home_flag: int | None, card: Any) -> Storage | None:
    """Bits 8 and 9 of `home_flag` and, where that is missing, `sdcard`, which older firmware writes as text."""
    if home_flag is not None:
        return _STORAGES[home_flag >> 8 & 0b11]
    if isinstance(card, bool):
        return "ok" if card else "none"
    return {"HAS_SDCARD_NORMAL": "ok", "HAS_SDCARD_ABNORMAL": "abnormal", "NO_SDCARD": "none"}.get(text(card))  # type: ignore[return-value]  # the literals of `Storage`


def _door(raw: Mapping[str, Any]) -> bool | None:
    """Newer firmware tells it in `stat`; the older place of it in `home_flag` means the door on X1 alone."""
    stat = flags(raw.get("stat"))
    return None if stat is None else bool(stat >> _DOOR_BIT & 1)


def _signal(value: Any) -> int | None:
    """`-45dBm`."""
    found = _SIGNAL.match(text(value))
    return int(found[0]) if found else None
