"""The product's commands as Bambu's requests, and how the printer's report shows their effect (section B)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from edge_agent.command import Command
from edge_agent.drivers.bambu.filaments import EXTERNAL_NAMES, HT_BASE, TRAYS, plain_color
from edge_agent.drivers.bambu.models import has_chamber_heater, nozzle_limit
from edge_agent.drivers.bambu.state import Picture
from edge_agent.execution import Refused

NOTHING_PRINTING = "nothing is printing"
TEMPERATURE_TOLERANCE = 0.6
FAN_TOLERANCE_PERCENT = 7.0
"""The report has sixteen steps of 6.7 %."""

UNUSED = -1
"""In an AMS mapping: the print does not use this filament of the file."""
SPEED_LEVELS = {1: 50, 2: 100, 3: 124, 4: 166}
FAN_PORTS = {"part": "P1", "aux": "P2", "chamber": "P3"}
BED_ONLY_HOMING = re.compile(r"(?<![A-Z])G\s*0*28(?!\d)(?=.*Z)(?!.*[XY])", re.IGNORECASE)
GCODE_COMMENT = re.compile(r"\([^)]*\)|;.*")

Model = TypeVar("Model", bound=BaseModel)
Wanted = Callable[[Picture], bool]


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the printer, without its sequence id."""

    section: str
    command: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send and how its effect shows.

    `wanted` is None where no report shows the effect: then the acknowledgement counts and nothing is ever sent twice.
    `obstacle` says why the command cannot be carried out now. `repeatable`: sending again does no harm.
    """

    request: Request
    done: str
    wanted: Wanted | None
    repeatable: bool
    obstacle: Callable[[Picture], str | None] = lambda _: None
    already: bool = True
    """Whether a printer that shows the effect before anything is sent needs no message."""
    settles: bool = False
    """Whether the report may show the effect of an earlier command for a moment: it is believed a little later."""


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class _Temperatures(_Metadata):
    nozzle_temp: Annotated[float, Field(ge=0, le=350)] | None = None
    bed_temp: Annotated[float, Field(ge=0, le=120)] | None = None
    chamber_temp: Annotated[float, Field(ge=0, le=65)] | None = None


class _Speed(_Metadata):
    percent: Annotated[float, Field(ge=1, le=200)]


class _Fan(_Metadata):
    percent: Annotated[float, Field(ge=0, le=100)]
    fan: Annotated[Literal["part", "aux", "chamber"], BeforeValidator(lambda value: value or "part")] = "part"


class _Flow(_Metadata):
    percent: Annotated[float, Field(ge=50, le=200)]


class _Gcode(_Metadata):
    gcode: Annotated[str, Field(min_length=1, max_length=4000)]


def _color(value: str) -> str:
    plain = plain_color(value)
    if not plain:
        raise ValueError("a colour is #RRGGBB")
    return plain


class ExpectedFilament(_Metadata):
    """What a slot must hold for the print to start; a colour only where one is named."""

    slot: Annotated[int, Field(ge=0, le=255)]
    kind: Annotated[str, Field(alias="type", min_length=1)]
    color: Annotated[str, AfterValidator(_color)] | None = None


class StartOptions(_Metadata):
    """start_print's metadata.

    `ams_mapping`: index = filament in the file, value = AMS * 4 + tray, an AMS HT's id, 254 the external spool,
    -1 unused. Without a word about the AMS the print takes the external spool.
    """

    file_name: str = ""
    plate_index: Annotated[int, Field(ge=1, le=999)] = 1
    param_path: Annotated[str, Field(pattern=r"^Metadata/[A-Za-z0-9_.-]+$")] | None = None
    use_ams: bool | None = None
    ams_mapping: tuple[int, ...] | None = None
    expected_filaments: tuple[ExpectedFilament, ...] = ()
    enable_timelapse: Annotated[bool, Field(alias="enable_timelapse")] = False

    @property
    def plate_file(self) -> str:
        """The plate's G-code inside the 3MF."""
        return self.param_path or f"Metadata/plate_{self.plate_index}.gcode"

    @property
    def slots(self) -> frozenset[int]:
        """The AMS slots that the print takes filament from."""
        return frozenset(slot for slot in self.ams_mapping or () if slot >= 0) - EXTERNAL_NAMES

    @property
    def takes_ams(self) -> bool:
        """Whether the print takes its filament from the AMS: the mapping says it, without one `use_ams`."""
        return bool(self.slots) or (bool(self.use_ams) and not self.ams_mapping)

    @model_validator(mode="after")
    def _of_one_mind(self) -> Self:
        mapping = frozenset(self.ams_mapping or ())
        if self.slots and mapping & EXTERNAL_NAMES:
            raise ValueError("amsMapping names AMS slots and the external spool; a print takes its filament from one")
        if self.slots and self.use_ams is False:
            raise ValueError("amsMapping names AMS slots, but useAms is false")
        if self.use_ams and mapping and mapping <= {UNUSED}:
            raise ValueError("useAms is true, but amsMapping names no slot")
        return self


def start_options(command: Command) -> StartOptions:
    """The command's options; raises Refused where they are wrong."""
    present = {name: value for name, value in command.metadata.items() if value is not None}
    return _parse(StartOptions, present)


def plan(command: Command, serial: str) -> Plan:
    """How to carry out a command other than start_print and stop; raises Refused for what cannot be."""
    data = command.metadata
    match command.kind:
        case "pause":
            return _control("pause", "paused", lambda p: p.gcode_state == "PAUSE", _only_while_printing)
        case "resume":
            return _control(
                "resume", "resumed", lambda p: p.gcode_state in ("RUNNING", "PREPARE"), _only_while_printing
            )
        case "set_temperature":
            return _temperatures(_parse(_Temperatures, data), serial)
        case "cooldown":
            chamber = 0.0 if has_chamber_heater(serial) else None
            return _temperatures(_Temperatures(nozzle_temp=0, bed_temp=0, chamber_temp=chamber), serial)
        case "set_speed":
            return _speed(_parse(_Speed, data).percent)
        case "set_fan":
            return _fan(_parse(_Fan, data))
        case "set_flow_rate":
            return _flow(_parse(_Flow, data).percent)
        case "home":
            return _home()
        case "light_on" | "light_off":
            return _light("on" if command.kind == "light_on" else "off")
        case "send_gcode":
            return _custom(_parse(_Gcode, data).gcode)
        case _:
            raise Refused(f"unsupported: {command.command_type}")


def start_3mf(options: StartOptions, name: str, marker: str, subtask_id: str, md5: str) -> Request:
    """The request that prints one plate of an uploaded 3MF; `marker` and `subtask_id` are what it is known by later."""
    mapping = list(options.ams_mapping or ()) if options.takes_ams else []
    fields: dict[str, Any] = {
        "param": options.plate_file,
        "url": f"ftp:///{name}",
        "file": name,
        "md5": md5.upper(),
        "subtask_name": marker,
        "project_id": "0",
        "profile_id": "0",
        "task_id": subtask_id,
        "subtask_id": subtask_id,
        "bed_type": "auto",
        "bed_leveling": True,
        "flow_cali": False,
        "vibration_cali": True,
        "layer_inspect": False,
        "timelapse": options.enable_timelapse,
        "use_ams": options.takes_ams,
        "ams_mapping": mapping,
    }
    if mapping:
        fields["ams_mapping2"] = [_place(slot) for slot in mapping]
    return Request("print", "project_file", fields)


def _place(slot: int) -> dict[str, int]:
    """A slot as newer firmware has it."""
    if slot < 0:
        return {"ams_id": 255, "slot_id": 255}
    return {"ams_id": slot, "slot_id": 0} if slot >= HT_BASE else {"ams_id": slot // TRAYS, "slot_id": slot % TRAYS}


def start_gcode(name: str) -> Request:
    """The request that prints an uploaded plain G-code file."""
    return Request("print", "gcode_file", {"param": f"/{name}"})


STOP = Request("print", "stop", {"param": ""})


def _parse(model: type[Model], data: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        what = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}".removeprefix(": ")
            for item in error.errors(include_input=False, include_url=False)
        )
        raise Refused(f"the command's metadata is wrong: {what}") from None


def _only_while_printing(picture: Picture) -> str | None:
    return None if picture.active else NOTHING_PRINTING


def _not_while_printing(picture: Picture) -> str | None:
    return "the printer is printing; it cannot be homed now" if picture.active else None


def _control(word: str, done: str, wanted: Wanted, obstacle: Callable[[Picture], str | None]) -> Plan:
    return Plan(Request("print", word, {"param": ""}), done, wanted, repeatable=True, obstacle=obstacle)


def _gcode(*lines: str) -> Request:
    return Request("print", "gcode_line", {"param": "".join(f"{line}\n" for line in lines)})


def _temperatures(wish: _Temperatures, serial: str) -> Plan:
    if wish.chamber_temp is not None and not has_chamber_heater(serial):
        raise Refused("this printer has no chamber heater")
    if wish.nozzle_temp is not None and wish.nozzle_temp > nozzle_limit(serial):
        raise Refused(f"this printer's nozzle goes to {nozzle_limit(serial)} °C")
    lines: list[str] = []
    if wish.nozzle_temp is not None:
        lines.append(f"M104 S{wish.nozzle_temp:.0f}")
    if wish.bed_temp is not None:
        lines.append(f"M140 S{wish.bed_temp:.0f}")
    if wish.chamber_temp is not None:
        lines.append(f"M141 S{wish.chamber_temp:.0f}")
    if not lines:
        raise Refused("the command's metadata is wrong: no temperature is given")

    def wanted(picture: Picture) -> bool:
        pairs = ((wish.nozzle_temp, picture.nozzle_target), (wish.bed_temp, picture.bed_target))
        return all(
            wish_ is None or (target is not None and abs(target - round(wish_)) < TEMPERATURE_TOLERANCE)
            for wish_, target in pairs
        ) and (wish.chamber_temp is None or picture.chamber_target in (None, round(wish.chamber_temp)))

    return Plan(_gcode(*lines), "the targets are set", wanted, repeatable=True)


def _speed(percent: float) -> Plan:
    level = min(SPEED_LEVELS, key=lambda candidate: abs(SPEED_LEVELS[candidate] - percent))
    return Plan(
        Request("print", "print_speed", {"param": str(level)}),
        f"the speed is {SPEED_LEVELS[level]} %",
        lambda picture: picture.speed_level == level,
        repeatable=True,
    )


def _fan(wish: _Fan) -> Plan:
    return Plan(
        _gcode(f"M106 {FAN_PORTS[wish.fan]} S{round(wish.percent * 255 / 100)}"),
        f"the {wish.fan} fan is at {wish.percent:.0f} %",
        lambda picture: abs(picture.fans.get(wish.fan, -100.0) - wish.percent) <= FAN_TOLERANCE_PERCENT,
        repeatable=True,
        already=False,
    )


def _flow(percent: float) -> Plan:
    """There is no request for it and no report shows it: the acknowledgement of the G-code is all there is."""
    done = f"the printer accepted a flow rate of {percent:.0f} %; its report does not show it"
    return Plan(_gcode(f"M221 S{percent:.0f}"), done, None, repeatable=False)


def _home() -> Plan:
    return Plan(
        _gcode("G28"),
        "homed",
        lambda picture: picture.homed is not False,
        repeatable=False,
        obstacle=_not_while_printing,
        already=False,
        settles=True,
    )


def _light(mode: str) -> Plan:
    fields = {
        "led_node": "chamber_light",
        "led_mode": mode,
        "led_on_time": 500,
        "led_off_time": 500,
        "loop_times": 0,
        "interval_time": 0,
    }
    return Plan(
        Request("system", "ledctrl", fields),
        f"the light is {mode}",
        lambda picture: picture.lights.get("chamber_light") == mode,
        repeatable=True,
    )


def _custom(gcode: str) -> Plan:
    lines = [line.strip() for line in gcode.splitlines() if line.strip()]
    if any(ord(character) < ord(" ") and character != "\t" for line in lines for character in line):
        raise Refused("the command's metadata is wrong: gcode: it holds control characters")
    if any(BED_ONLY_HOMING.search(GCODE_COMMENT.sub("", line)) for line in lines):
        raise Refused("homing Z alone can drive the bed into the toolhead; use G28")
    if not lines:
        raise Refused("the command's metadata is wrong: gcode: it is empty")
    return Plan(_gcode(*lines), "the printer accepted the G-code", None, repeatable=False)
