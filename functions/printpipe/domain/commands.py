"""The vocabulary of printer commands: canonical names, their aliases, lanes and lifetimes.

Names and the keys of metadata are understood in camelCase, kebab-case and snake_case.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from printpipe.domain.command_metadata import (
    BedTarget,
    Calibration,
    Camera,
    ChamberTarget,
    Download,
    Empty,
    Fan,
    Fetch,
    Filament,
    Flow,
    Gcode,
    Home,
    Metadata,
    Move,
    NozzleTarget,
    Objects,
    Send,
    Speed,
    Start,
    Stop,
    Temperatures,
)
from printpipe.domain.errors import InvalidInput

Lane = Literal["normal", "priority"]
LANES: tuple[Lane, ...] = ("priority", "normal")
_M = TypeVar("_M", bound=Metadata)
MAX_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class CommandType:
    """One canonical command: what it carries, which lane it takes, how long it stays worth executing."""

    name: str
    metadata: type[Metadata]
    lifetime: timedelta
    lane: Lane = "normal"


_MINUTE = timedelta(minutes=1)
_TYPES = (
    CommandType("pause", Empty, 2 * _MINUTE, "priority"),
    CommandType("resume", Empty, 2 * _MINUTE),
    CommandType("stop", Stop, 10 * _MINUTE, "priority"),
    CommandType("set_temperature", Temperatures, _MINUTE),
    CommandType("cooldown", Empty, _MINUTE, "priority"),
    CommandType("start_print", Start, 10 * _MINUTE),
    CommandType("download", Download, 10 * _MINUTE),
    CommandType("camera_on", Empty, _MINUTE),
    CommandType("camera_off", Empty, _MINUTE),
    CommandType("set_speed", Speed, _MINUTE),
    CommandType("set_fan", Fan, _MINUTE),
    CommandType("set_flow_rate", Flow, _MINUTE),
    CommandType("home", Home, _MINUTE),
    CommandType("light_on", Empty, _MINUTE),
    CommandType("light_off", Empty, _MINUTE),
    CommandType("load_filament", Filament, _MINUTE),
    CommandType("unload_filament", Filament, _MINUTE),
    CommandType("move", Move, _MINUTE),
    CommandType("send_gcode", Gcode, _MINUTE),
    CommandType("skip_objects", Objects, _MINUTE),
    CommandType("clear_error", Empty, _MINUTE),
    CommandType("calibrate", Calibration, _MINUTE),
    CommandType("timelapse_on", Empty, _MINUTE),
    CommandType("timelapse_off", Empty, _MINUTE),
    CommandType("snapshot", Empty, 2 * _MINUTE),
)
TYPES: Mapping[str, CommandType] = {each.name: each for each in _TYPES}
"""What callers may ask for."""

_STORAGE_TYPES = (
    CommandType("test_connection", Empty, 2 * _MINUTE),
    CommandType("list_files", Empty, 2 * _MINUTE),
    CommandType("fetch_file", Fetch, 30 * _MINUTE),
    CommandType("send_file", Send, 30 * _MINUTE),
)
STORAGE_TYPES: Mapping[str, CommandType] = {each.name: each for each in _STORAGE_TYPES}
"""What the cloud alone asks of an agent."""

_ALIASES: Mapping[str, str] = {
    "cancel": "stop",
    "heat": "set_temperature",
    "set_heat": "set_temperature",
    "cool": "cooldown",
    "cool_down": "cooldown",
    "speed": "set_speed",
    "fan": "set_fan",
    "jog": "move",
    "sendgcode": "send_gcode",
    "start": "start_print",
    "take_snapshot": "snapshot",
    "take_picture": "snapshot",
}
_PLAIN_NAMES: Mapping[str, str] = {
    "pause_print": "pause",
    "resume_print": "resume",
    "stop_print": "stop",
    "cancel_print": "cancel",
    "set_temperature": "heat",
    "set_nozzle_temp": "heat",
    "set_bed_temp": "heat",
    "set_chamber_temp": "heat",
    "home_all": "home",
    "home_x": "home",
    "home_y": "home",
    "home_z": "home",
    "set_fan_speed": "set_fan",
    "set_print_speed": "set_speed",
    "custom_gcode": "sendGcode",
}
_SAYING: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "set_nozzle_temp": lambda given: {"nozzleTemp": _parse(NozzleTarget, given).target},
    "set_bed_temp": lambda given: {"bedTemp": _parse(BedTarget, given).target},
    "set_chamber_temp": lambda given: {"chamberTemp": _parse(ChamberTarget, given).target},
    "home_all": lambda _: {},
    "home_x": lambda _: {"axes": "x"},
    "home_y": lambda _: {"axes": "y"},
    "home_z": lambda _: {"axes": "z"},
}
"""Names that say part of the metadata, and what the metadata is as the plain name has it."""

_CAMERA = "camera"
_CAMERAS: Mapping[str, str] = {"on": "camera_on", "off": "camera_off", "snapshot": "snapshot"}
"""What `camera` means, by its metadata's state."""
_KNOWN = sorted({*TYPES, *_ALIASES, *_PLAIN_NAMES, _CAMERA})


@dataclass(frozen=True)
class Order:
    """A well-formed command: its canonical type and metadata, and the name by which it was asked for."""

    type: CommandType
    asked_as: str
    metadata: Metadata

    def canonical_metadata(self) -> dict[str, Any]:
        """The metadata under its canonical names, without what was not said."""
        return canonical(self.metadata)


def storage_order(name: str, metadata: Metadata) -> Order:
    """A command that the cloud gives an agent of its own accord."""
    return Order(STORAGE_TYPES[name], name, metadata)


def canonical(metadata: Metadata) -> dict[str, Any]:
    """Metadata as it is stored and sent: canonical wire names, without what was not said."""
    return metadata.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_order(asked: str, metadata: Mapping[str, Any], extra_gcode: Collection[str]) -> Order:
    """A command by any of its names; `extra_gcode` are the codes that the deployment adds to the list.

    Raises `InvalidInput` on `commandType` or on the metadata's field.
    """
    name = _snake(asked)
    if name == _CAMERA:
        name = asked = _CAMERAS[_parse(Camera, metadata).state]
    (kind,) = kinds_of(name)
    given = _SAYING[name](metadata) if name in _SAYING else metadata
    return Order(kind, asked, _parse(kind.metadata, given, extra_gcode))


def kinds_of(name: str) -> Sequence[CommandType]:
    """The commands that a name means: one, or those of which metadata tells which. Raises `InvalidInput` on
    `commandType`."""
    asked = _snake(name)
    plain = _snake(_PLAIN_NAMES.get(asked, asked))
    kinds = tuple(_CAMERAS.values()) if plain == _CAMERA else (_ALIASES.get(plain, plain),)
    if not TYPES.keys() >= set(kinds):
        raise InvalidInput(f"Unknown command type; known are {', '.join(_KNOWN)}", field="commandType")
    return [TYPES[each] for each in kinds]


def is_known_as(asked: str, kind: str, name: str) -> bool:
    """Whether a command of that canonical kind, asked for by some name, is one of those that another name means.

    `heat` means every temperature, `set_bed_temp` what was asked for so. Raises `InvalidInput` on `commandType`.
    """
    wanted = _snake(name)
    return wanted == _snake(asked) or (wanted not in _SAYING and any(each.name == kind for each in kinds_of(wanted)))


def plain_name(asked: str) -> str:
    """The name by which a client that polls knows what was asked for: `heat` for `set_bed_temp`."""
    return _PLAIN_NAMES.get(_snake(asked), asked)


def _parse(model: type[_M], metadata: Mapping[str, Any], extra_gcode: Collection[str] = ()) -> _M:
    given, said_as = _by_wire_name(model, metadata)
    try:
        return model.model_validate(given, context=extra_gcode)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        names = [said_as.get(str(part), str(part)) if at == 0 else str(part) for at, part in enumerate(first["loc"])]
        where = ".".join(["metadata", *names])
        raise InvalidInput(f"{where}: {first['msg'].removeprefix('Value error, ')}", field=where) from None


def _by_wire_name(model: type[Metadata], metadata: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the model knows of the metadata, under the wire's names, and under which names it came.

    Raises `InvalidInput` where two names of one field hold different values.
    """
    wire_names = [field.alias or name for name, field in model.model_fields.items()]
    known = {**model.OTHER_NAMES, **{name: name for name in wire_names}}
    given: dict[str, Any] = {}
    said_as: dict[str, str] = {}
    for key, value in metadata.items():
        name = known.get(key) or known.get(_camel(key))
        if name is None or value is None:
            continue
        if name in given and given[name] != value:
            where = f"metadata.{key}"
            raise InvalidInput(f"{where}: contradicts metadata.{said_as[name]}", field=where)
        given.setdefault(name, value)
        said_as.setdefault(name, key)
    return given, said_as


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def _camel(key: str) -> str:
    return re.sub(r"[-_]([a-z])", lambda found: found[1].upper(), key)
