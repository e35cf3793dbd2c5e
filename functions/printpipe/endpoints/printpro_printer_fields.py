"""What the dialect `printpro` lets people say of a printer."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from printpipe.dialects import printpro
from printpipe.dialects.exchange import Shape
from printpipe.domain.errors import InvalidInput
from printpipe.domain.printer_records import BuildVolume, OnFatal
from printpipe.domain.values import (
    Name,
    OptionalAccessCode,
    OptionalHostAddress,
    OptionalId,
    OptionalName,
    OptionalText,
    WithoutFraction,
)
from printpipe.services.printers.fleet import Details

_DESCRIPTION = ("brand", "model", "ip_address", "num_ams_units", "nozzle_diameter", "location", "notes")

ON_FATAL = "pause: its print is paused when it reports a fatal error; none: nothing is done by itself"

Size = Annotated[float, Field(ge=1, le=10_000)]
"""Millimetres."""


def in_use(active: bool | None, is_active: bool | None) -> bool | None:
    """What both names of one thing say. Raises `InvalidInput` where they say different things."""
    if None not in (active, is_active) and active != is_active:
        raise InvalidInput("is_active: differs from active", field="is_active")
    return is_active if active is None else active


class Volume(Shape):
    """How large a print may be: width, depth and height in mm."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    x: Size
    y: Size
    z: Size


class PrinterFields(printpro.Model):
    """What may be said of a printer; `serial_number` is another name of `serial`."""

    brand: OptionalName = None
    model: OptionalName = None
    ip_address: OptionalHostAddress = None
    access_code: OptionalAccessCode = Field(None, description="left out, empty or null: as it is")
    serial: OptionalId = None
    serial_number: OptionalId = None
    num_ams_units: Annotated[int, Field(ge=0, le=16), WithoutFraction] | None = Field(
        None, description="for people; which job fits is told by what the printer reports as loaded"
    )
    supported_materials: list[Name] | None = Field(None, max_length=50)
    nozzle_diameter: float | None = Field(None, ge=0.1, lt=10, description="mm")
    build_volume: Volume | None = None
    location: OptionalName = Field(None, description="where it stands, in people's words")
    notes: OptionalText = None
    recipient_id: OptionalId = Field(None, description="the site; needed where the organization has several")
    on_fatal: OnFatal | None = Field(None, description=ON_FATAL)

    def details(self, **more: Any) -> Details:
        """What was given, with `more` of the record's fields, where these are not None.

        What describes the printer is emptied by null, which leaves its name, its serial, its site and its code as they
        are. Raises `InvalidInput` for two different serials.
        """
        names = {"serial": self._serial(), "recipient_id": self.recipient_id, "on_fatal": self.on_fatal, **more}
        given = {name: value for name, value in names.items() if value is not None}
        given |= {name: getattr(self, name) for name in _DESCRIPTION if name in self.model_fields_set}
        if "supported_materials" in self.model_fields_set:
            given["supported_materials"] = tuple(dict.fromkeys(self.supported_materials or ()))
        if "build_volume" in self.model_fields_set:
            volume = self.build_volume
            given["build_volume"] = BuildVolume(x=volume.x, y=volume.y, z=volume.z) if volume else None
        return Details(given, self.access_code.get_secret_value() if self.access_code else None)

    def _serial(self) -> str | None:
        if self.serial and self.serial_number and self.serial != self.serial_number:
            raise InvalidInput("serial_number: differs from serial", field="serial_number")
        return self.serial or self.serial_number
