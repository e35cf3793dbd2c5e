"""What a printer command carries, by its kind: typed and bounded."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from printpipe.domain import gcode
from printpipe.domain.gcode import (
    BED_MAX,
    CHAMBER_MAX,
    EXTRUSION_MAX,
    FEEDRATE_MAX,
    FLOW_BOUNDS,
    NOZZLE_MAX,
    SPEED_BOUNDS,
    TRAVEL_MAX,
)
from printpipe.domain.values import FileName, Id, Name, OptionalId, Text

SLOTS = frozenset({*range(1, 17), *range(128, 136), 254})
MAX_OBJECTS = 64


def _check_url(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("must name a host, and no user")
    return value


def _check_slot(value: int) -> int:
    if value not in SLOTS:
        raise ValueError("must be 1 to 16, an AMS HT's id (128 to 135), or 254 for the external spool")
    return value


def _check_gcode(value: str, info: ValidationInfo) -> str:
    return gcode.check(value, info.context or ())


Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://[\x21-\x7e]+$"), AfterValidator(_check_url)]
Nozzle = Annotated[float, Field(ge=0, le=NOZZLE_MAX)]
Bed = Annotated[float, Field(ge=0, le=BED_MAX)]
Chamber = Annotated[float, Field(ge=0, le=CHAMBER_MAX)]
Distance = Annotated[float, Field(ge=-TRAVEL_MAX, le=TRAVEL_MAX)]


class Metadata(BaseModel):
    """What a command of some type carries; fields beyond it are dropped, and null is as good as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False, populate_by_name=True)

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {}
    """What else clients call a field, in camelCase, and its name on the wire."""


class Stop(Metadata):
    """A stop may name its job, and then never stops another."""

    OTHER_NAMES: ClassVar = {"jobId": "printJobId"}

    job_id: OptionalId = Field(None, alias="printJobId")


class Temperatures(Metadata):
    """Targets in °C; of two nozzles `nozzleIndex` says which, 0 the right one, 1 the left one."""

    OTHER_NAMES: ClassVar = {
        f"{heater}{word}": f"{heater}Temp"
        for heater in ("nozzle", "bed", "chamber")
        for word in ("", "Temperature", "Target", "TargetTemp", "TempTarget")
    }

    nozzle: Nozzle | None = Field(None, alias="nozzleTemp")
    bed: Bed | None = Field(None, alias="bedTemp")
    chamber: Chamber | None = Field(None, alias="chamberTemp")
    nozzle_index: int | None = Field(None, alias="nozzleIndex", ge=0, le=1)

    @model_validator(mode="after")
    def _something(self) -> "Temperatures":
        if self.nozzle is None and self.bed is None and self.chamber is None:
            raise ValueError("needs nozzleTemp, bedTemp or chamberTemp")
        return self


_TARGETS = ("temperature", "temp", "targetTemp", "targetTemperature", "value")


class NozzleTarget(Metadata):
    """The nozzle's target alone, in °C."""

    OTHER_NAMES: ClassVar = dict.fromkeys(("nozzleTemp", *_TARGETS), "target")

    target: Nozzle


class BedTarget(Metadata):
    """The bed's target alone, in °C."""

    OTHER_NAMES: ClassVar = dict.fromkeys(("bedTemp", *_TARGETS), "target")

    target: Bed


class ChamberTarget(Metadata):
    """The chamber's target alone, in °C."""

    OTHER_NAMES: ClassVar = dict.fromkeys(("chamberTemp", *_TARGETS), "target")

    target: Chamber


_PERCENTAGES = ("percentage", "value", "target")


class Speed(Metadata):
    """Print speed in percent of the normal one."""

    OTHER_NAMES: ClassVar = dict.fromkeys(("speedPercent", "speed", "printSpeed", *_PERCENTAGES), "percent")

    percent: float = Field(ge=SPEED_BOUNDS[0], le=SPEED_BOUNDS[1])


class Fan(Metadata):
    """A fan's speed in percent; 0 is off. Some printers have a second auxiliary fan, `aux2`."""

    OTHER_NAMES: ClassVar = dict.fromkeys(("fanPercent", "fanSpeed", "speed", *_PERCENTAGES), "percent")

    percent: float = Field(ge=0, le=100)
    fan: Literal["part", "aux", "aux2", "chamber"] = "part"


class Flow(Metadata):
    """The flow of filament in percent of the sliced one."""

    OTHER_NAMES: ClassVar = dict.fromkeys(("flowPercent", "flowRate", "flow", "rate", *_PERCENTAGES), "percent")

    percent: float = Field(ge=FLOW_BOUNDS[0], le=FLOW_BOUNDS[1])


class Home(Metadata):
    """The axes to home; all where none is named."""

    axes: Annotated[str, StringConstraints(pattern=r"^[xyzXYZ]{1,3}$")] | None = None


class Move(Metadata):
    """A relative move in mm, with a feed rate in mm/min."""

    OTHER_NAMES: ClassVar = {"feedRate": "feedrate"}

    x: Distance | None = None
    y: Distance | None = None
    z: Distance | None = None
    e: float | None = Field(None, ge=-EXTRUSION_MAX, le=EXTRUSION_MAX)
    feedrate: float = Field(1500, gt=0, le=FEEDRATE_MAX)

    @model_validator(mode="after")
    def _somewhere(self) -> "Move":
        if self.x is None and self.y is None and self.z is None and self.e is None:
            raise ValueError("needs x, y, z or e")
        return self


class Gcode(Metadata):
    """One line of G-code that may be sent."""

    OTHER_NAMES: ClassVar = {"command": "gcode", "line": "gcode"}

    gcode: Annotated[str, AfterValidator(_check_gcode)]


class Filament(Metadata):
    """An AMS slot, counted from 1; an AMS HT's id, from 128 on, or 254 for the external spool."""

    OTHER_NAMES: ClassVar = {"slotNumber": "slot"}

    slot: Annotated[int, AfterValidator(_check_slot)] | None = None


class Objects(Metadata):
    """Objects of the running print that are to be left out, by their ids in its file."""

    OTHER_NAMES: ClassVar = dict.fromkeys(("objects", "ids", "objList"), "objectIds")

    ids: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(
        alias="objectIds", min_length=1, max_length=MAX_OBJECTS, strict=False
    )


class Calibration(Metadata):
    """The calibrations that the printer is to do; at least one."""

    OTHER_NAMES: ClassVar = {"bedLeveling": "bedLevel", "bedLevelling": "bedLevel"}

    bed_level: bool | None = Field(None, alias="bedLevel")
    vibration: bool | None = None
    motor_noise: bool | None = Field(None, alias="motorNoise")
    nozzle_offset: bool | None = Field(None, alias="nozzleOffset")

    @model_validator(mode="after")
    def _something(self) -> "Calibration":
        if not (self.bed_level or self.vibration or self.motor_noise or self.nozzle_offset):
            raise ValueError("needs bedLevel, vibration, motorNoise or nozzleOffset")
        return self


class JobNote(Metadata):
    """What a client attaches in clear to a start."""

    job_id: OptionalId = Field(None, alias="printJobId")
    product_name: Name | None = Field(None, alias="productName")
    product_id: Name | None = Field(None, alias="productId")


class ExpectedFilament(Metadata):
    """What a slot must hold for a print to start; the colour, #RRGGBB, counts where it is named.

    The slot is AMS * 4 + tray, an AMS HT's id (from 128), or 254 for the external spool.
    """

    slot: int = Field(ge=0, le=255)
    type: Name
    color: Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")] | None = None


class Start(Metadata):
    """A print to start: a file of ours (`fileId`, `jobId`), or one that the printer's site has by this name."""

    OTHER_NAMES: ClassVar = {
        "filename": "fileName",
        "enableTimelapse": "enable_timelapse",
        "timelapse": "enable_timelapse",
        "printJobId": "jobId",
    }

    file_name: FileName = Field(alias="fileName")
    plate_index: int | None = Field(None, alias="plateIndex", ge=1, le=64)
    param_path: Annotated[str, StringConstraints(max_length=255, pattern=r"^[\x21-\x7e]+$")] | None = Field(
        None, alias="paramPath"
    )
    use_ams: bool | None = Field(None, alias="useAms")
    ams_mapping: tuple[Annotated[int, Field(ge=-1, le=1024)], ...] | None = Field(
        None, alias="amsMapping", max_length=32, strict=False
    )
    expected_filaments: tuple[ExpectedFilament, ...] | None = Field(
        None, alias="expectedFilaments", max_length=64, strict=False
    )
    timelapse: bool | None = Field(None, alias="enable_timelapse")
    job_id: OptionalId = Field(None, alias="jobId")
    file_id: OptionalId = Field(None, alias="fileId")
    note: JobNote | None = Field(None, alias="unencryptedData")


class Fetch(Metadata):
    """A file on the printer's storage that is to be copied into the cloud; bytes."""

    transfer_id: Id = Field(alias="transferId")
    path: str
    file_name: FileName = Field(alias="fileName")
    size: int | None = None


class Send(Metadata):
    """A stored file that is to be copied to the printer's storage."""

    transfer_id: Id = Field(alias="transferId")
    file_id: Id = Field(alias="fileId")
    file_name: FileName = Field(alias="fileName")


class Download(Metadata):
    """A file to have at hand before its start: one of ours (`fileId`), or one that the polling client knows."""

    file_id: Id | None = Field(None, alias="fileId")
    file_name: FileName | None = Field(None, alias="fileName")
    url: Url | None = None
    job_id: Id | None = Field(None, alias="jobId")

    @model_validator(mode="after")
    def _something(self) -> "Download":
        if self.file_id is None and self.file_name is None and self.url is None:
            raise ValueError("needs fileId, fileName or url")
        return self


class Camera(Metadata):
    """Whether the camera records, or that it takes a picture now, as `cameraState`."""

    OTHER_NAMES: ClassVar = {"state": "cameraState"}

    state: Literal["on", "off", "snapshot"] = Field(alias="cameraState")


class Empty(Metadata):
    """A command that needs nothing more; a reason may be given."""

    reason: Text | None = None
