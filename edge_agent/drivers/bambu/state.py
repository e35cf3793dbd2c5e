"""The normal form of a printer's merged picture: typed, in °C, seconds and percent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_agent.drivers.bambu.filaments import Filament, loaded, nozzle_diameter
from edge_agent.drivers.bambu.hms import VERIFY_FAILED
from edge_agent.drivers.bambu.numbers import integer, number, text
from edge_agent.drivers.base import PrinterState

ACTIVE = frozenset({"PREPARE", "SLICING", "RUNNING", "PAUSE"})
DEVELOPER_MODE_BIT = 0x20000000
INTERNAL_SUBTASKS = ("auto_cali_for_user", "auto_pa_line_calib_mode", "auto_filament_cali")
WORD = 0xFFFFFFFF
NO_ERROR: tuple[tuple[int, int], ...] = ()

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


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of the printer. Numbers it does not report are None."""

    gcode_state: str = "UNKNOWN"
    percent: int | None = None
    remaining_seconds: int | None = None
    layer: int = 0
    total_layers: int = 0
    bed: float | None = None
    bed_target: float | None = None
    nozzle: float | None = None
    nozzle_target: float | None = None
    chamber: float | None = None
    chamber_target: float | None = None
    subtask_name: str = ""
    subtask_id: str = ""
    gcode_file: str = ""
    print_type: str = ""
    print_error: int = 0
    hms: tuple[tuple[int, int], ...] = NO_ERROR
    speed_level: int | None = None
    speed_percent: int | None = None
    fans: Mapping[str, float] = field(default_factory=dict)
    lights: Mapping[str, str] = field(default_factory=dict)
    ams_status: int | None = None
    homed: bool | None = None
    signature_required: bool | None = None
    filaments: tuple[Filament, ...] | None = None
    nozzle_diameter: float | None = None

    @property
    def active(self) -> bool:
        """Whether a job occupies the printer."""
        return self.gcode_state in ACTIVE

    @property
    def state(self) -> PrinterState:
        """The product's word for the state."""
        return _STATES.get(self.gcode_state, "unknown")

    @property
    def refuses_unsigned(self) -> bool:
        """Whether the printer hints that Developer Mode is off; an acknowledgement is the authority."""
        return self.signature_required is True or VERIFY_FAILED in self.hms

    @property
    def internal_job(self) -> bool:
        """Whether what runs is the printer's own (calibration), not a customer's job."""
        return self.print_type == "system" or self.subtask_name.startswith(INTERNAL_SUBTASKS)


def picture(raw: Mapping[str, Any]) -> Picture:
    """The normal form of a merged `print` object (section C of the protocol notes)."""
    bed, bed_target = _packed(raw, ("device", "bed", "info", "temp"))
    chamber, chamber_target = _packed(raw, ("device", "ctc", "info", "temp"))
    if chamber is None:
        chamber, chamber_target = _packed(raw, ("info", "temp"))
    home_flag, fun = integer(raw.get("home_flag")), raw.get("fun")
    remaining = integer(raw.get("mc_remaining_time"))
    return Picture(
        gcode_state=text(raw.get("gcode_state") or "UNKNOWN").upper(),
        percent=integer(raw.get("mc_percent")),
        remaining_seconds=None if remaining is None else remaining * 60,
        layer=integer(raw.get("layer_num")) or 0,
        total_layers=integer(raw.get("total_layer_num")) or 0,
        bed=_first(number(raw.get("bed_temper")), bed),
        bed_target=_first(number(raw.get("bed_target_temper")), bed_target),
        nozzle=number(raw.get("nozzle_temper")),
        nozzle_target=number(raw.get("nozzle_target_temper")),
        chamber=_first(number(raw.get("chamber_temper")), chamber),
        chamber_target=_first(number(raw.get("chamber_target_temper")), chamber_target),
        subtask_name=text(raw.get("subtask_name")),
        subtask_id=text(raw.get("subtask_id")),
        gcode_file=text(raw.get("gcode_file")),
        print_type=text(raw.get("print_type")),
        print_error=(integer(raw.get("print_error")) or 0) & WORD,
        hms=_hms(raw.get("hms")),
        speed_level=integer(raw.get("spd_lvl")),
        speed_percent=integer(raw.get("spd_mag")),
        fans=_fans(raw),
        lights=_lights(raw.get("lights_report")),
        ams_status=integer(raw.get("ams_status")),
        homed=None if home_flag is None else home_flag & 0b111 == 0b111,
        signature_required=_bit(fun, DEVELOPER_MODE_BIT),
        filaments=loaded(raw),
        nozzle_diameter=nozzle_diameter(raw),
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _packed(raw: Mapping[str, Any], path: tuple[str, ...]) -> tuple[float | None, float | None]:
    """Current and target from a packed temperature: above 500 the low 16 bits and the high 16 bits."""
    value: Any = raw
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    packed = integer(value)
    if packed is None:
        return None, None
    return (float(packed & 0xFFFF), float(packed >> 16)) if packed > 500 else (float(packed), None)


def _hms(value: Any) -> tuple[tuple[int, int], ...]:
    entries = value if isinstance(value, list) else []
    pairs = ((integer(item.get("attr")), integer(item.get("code"))) for item in entries if isinstance(item, Mapping))
    return tuple((attr & WORD, code & WORD) for attr, code in pairs if attr is not None and code is not None)


def _fans(raw: Mapping[str, Any]) -> dict[str, float]:
    """Percent by fan: from the airduct (H2, P2S), else from fan_gear's bytes, else from the 0..15 steps."""
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


def _lights(value: Any) -> dict[str, str]:
    entries = value if isinstance(value, list) else []
    return {str(item.get("node")): str(item.get("mode")) for item in entries if isinstance(item, Mapping)}


def _bit(value: Any, mask: int) -> bool | None:
    try:
        return bool(int(str(value), 16) & mask) if value else None
    except ValueError:
        return None
