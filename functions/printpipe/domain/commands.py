"""The vocabulary of printer commands: canonical names, their aliases, lanes, lifetimes and metadata."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from printpipe.domain.errors import InvalidInput
from printpipe.domain.values import FileName, Id, Name, Text

Lane = Literal["normal", "priority"]
_M = TypeVar("_M", bound="Metadata")
MAX_LIFETIME = timedelta(hours=24)


class Metadata(BaseModel):
    """What a command of some type carries; fields beyond it are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False, populate_by_name=True)


class Stop(Metadata):
    """A stop may name its job, and then never stops another."""

    job_id: Id | None = Field(None, alias="printJobId")


class Temperatures(Metadata):
    """Targets in °C."""

    nozzle: float | None = Field(None, alias="nozzleTemp", ge=0, le=300)
    bed: float | None = Field(None, alias="bedTemp", ge=0, le=120)
    chamber: float | None = Field(None, alias="chamberTemp", ge=0, le=65)

    @model_validator(mode="after")
    def _something(self) -> "Temperatures":
        if self.nozzle is None and self.bed is None and self.chamber is None:
            raise ValueError("needs nozzleTemp, bedTemp or chamberTemp")
        return self


class Speed(Metadata):
    """Print speed in percent of the normal one."""

    percent: float = Field(ge=10, le=300, validation_alias=AliasChoices("percent", "speedPercent"))


class Fan(Metadata):
    """A fan's speed in percent; 0 is off."""

    percent: float = Field(ge=0, le=100, validation_alias=AliasChoices("percent", "fanPercent"))
    fan: Literal["part", "aux", "chamber"] = "part"


class Home(Metadata):
    """The axes to home; all where none is named."""

    axes: Annotated[str, StringConstraints(pattern=r"^[xyzXYZ]{1,3}$")] | None = None


class Move(Metadata):
    """A relative move in mm, with a feed rate in mm/min."""

    x: float = Field(0, ge=-500, le=500)
    y: float = Field(0, ge=-500, le=500)
    z: float = Field(0, ge=-500, le=500)
    e: float = Field(0, ge=-200, le=200)
    feedrate: float = Field(1500, gt=0, le=30000)


class Gcode(Metadata):
    """One line of G-code: printable ASCII, at most 256 bytes."""

    gcode: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[\x20-\x7e]+$")]


class Filament(Metadata):
    """An AMS slot, counted from 1."""

    slot: int | None = Field(None, ge=1, le=16)


class JobNote(Metadata):
    """What a client attaches in clear to a start."""

    job_id: Id | None = Field(None, alias="printJobId")
    product_name: Name | None = Field(None, alias="productName")
    product_id: Name | None = Field(None, alias="productId")


class Start(Metadata):
    """A print to start: a file of ours (`fileId`, `jobId`), or one that the printer's site has by this name."""

    file_name: FileName = Field(alias="fileName")
    plate_index: int | None = Field(None, alias="plateIndex", ge=1, le=64)
    param_path: Annotated[str, StringConstraints(max_length=255, pattern=r"^[\x21-\x7e]+$")] | None = Field(
        None, alias="paramPath"
    )
    use_ams: bool | None = Field(None, alias="useAms")
    ams_mapping: tuple[Annotated[int, Field(ge=-1, le=1024)], ...] | None = Field(
        None, alias="amsMapping", max_length=32, strict=False
    )
    timelapse: bool | None = Field(None, alias="enable_timelapse")
    job_id: Id | None = Field(None, alias="jobId")
    file_id: Id | None = Field(None, alias="fileId")
    note: JobNote | None = Field(None, alias="unencryptedData")


class Camera(Metadata):
    """Whether the camera records, as `cameraState`."""

    state: Literal["on", "off"] = Field(alias="cameraState")


class Empty(Metadata):
    """A command that needs nothing more; a reason may be given."""

    reason: Text | None = None


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
    CommandType("camera_on", Empty, _MINUTE),
    CommandType("camera_off", Empty, _MINUTE),
    CommandType("set_speed", Speed, _MINUTE),
    CommandType("set_fan", Fan, _MINUTE),
    CommandType("home", Home, _MINUTE),
    CommandType("light_on", Empty, _MINUTE),
    CommandType("light_off", Empty, _MINUTE),
    CommandType("load_filament", Filament, _MINUTE),
    CommandType("unload_filament", Filament, _MINUTE),
    CommandType("move", Move, _MINUTE),
    CommandType("send_gcode", Gcode, _MINUTE),
)
TYPES: Mapping[str, CommandType] = {each.name: each for each in _TYPES}

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
}


@dataclass(frozen=True)
class Order:
    """A well-formed command: its canonical type and metadata, and the name by which it was asked for."""

    type: CommandType
    asked_as: str
    metadata: Metadata

    def canonical_metadata(self) -> dict[str, Any]:
        """The metadata under its canonical names, without what was not said."""
        return canonical(self.metadata)


def canonical(metadata: Metadata) -> dict[str, Any]:
    """Metadata as it is stored and sent: canonical wire names, without what was not said."""
    return metadata.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_order(asked: str, metadata: Mapping[str, Any]) -> Order:
    """A command by any of its names: camelCase, kebab-case, snake_case, aliases.

    Raises `InvalidInput` on `commandType` or on the metadata's field.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", asked).replace("-", "_").lower()
    if name == "camera":
        name = asked = f"camera_{_parse(Camera, metadata).state}"
    kind = TYPES.get(_ALIASES.get(name, name))
    if kind is None:
        raise InvalidInput(f"Unknown command type; known are {', '.join(sorted(TYPES))}", field="commandType")
    return Order(kind, asked, _parse(kind.metadata, metadata))


def _parse(model: type[_M], metadata: Mapping[str, Any]) -> _M:
    try:
        return model.model_validate(metadata)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(["metadata", *(str(part) for part in first["loc"])])
        raise InvalidInput(f"{where}: {first['msg'].removeprefix('Value error, ')}", field=where) from None
