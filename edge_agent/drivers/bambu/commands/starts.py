"""start_print: what it may say, and the requests that begin a print (protocol notes, section B)."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from edge_agent.command import Command
from edge_agent.drivers.bambu.commands.plans import Metadata, Request, parse
from edge_agent.drivers.bambu.filaments import EXTERNAL_NAMES, plain_color, unit_of

UNUSED = -1
"""In an AMS mapping: the print does not use this filament of the file."""


def _color(value: str) -> str:
    plain = plain_color(value)
    if not plain:
        raise ValueError("a colour is #RRGGBB")
    return plain


class ExpectedFilament(Metadata):
    """What a slot must hold for the print to start; a colour only where one is named."""

    slot: Annotated[int, Field(ge=0, le=255)]
    kind: Annotated[str, Field(alias="type", min_length=1)]
    color: Annotated[str, AfterValidator(_color)] | None = None


class StartOptions(Metadata):
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
    return parse(StartOptions, present)


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


def start_gcode(name: str) -> Request:
    """The request that prints an uploaded plain G-code file."""
    return Request("print", "gcode_file", {"param": f"/{name}"})


def _place(slot: int) -> dict[str, int]:
    """A slot as newer firmware has it."""
    unit, place = (255, 255) if slot < 0 else unit_of(slot)
    return {"ams_id": unit, "slot_id": place}
