"""What a print file says of itself."""

from pydantic import BaseModel, ConfigDict, Field

from printpipe.domain.print_files.names import Kind


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Slicer(_Frozen):
    """The program that sliced the file."""

    name: str
    version: str | None = None


class Filament(_Frozen):
    """One filament that a plate uses; `slot` is its number in the file, from 1.

    `brand` is its vendor, `color` is `#RRGGBB`.
    """

    slot: int = Field(ge=1)
    type: str | None = None
    brand: str | None = None
    color: str | None = Field(default=None, pattern=r"^#[0-9A-F]{6}$")
    used_g: float | None = Field(default=None, ge=0)
    used_m: float | None = Field(default=None, ge=0)


class Plate(_Frozen):
    """One printable plate, counted from 1. What the file does not say is None.

    `gcode_path` is the G-code's entry in a 3MF, None for a bare G-code file. `printer_model` is the name that the
    slicer gives, `printer_model_id` the maker's own code for it (C12). `nozzle_diameter` is in mm, so are `width`,
    `depth` and `height` of what is printed: along x, along y, upwards.
    `thumbnail` is a PNG; it is left out of dumps.
    """

    index: int = Field(ge=1)
    gcode_path: str | None = None
    name: str | None = None
    estimated_seconds: int | None = Field(default=None, ge=0)
    filament: tuple[Filament, ...] = ()
    weight_g: float | None = Field(default=None, ge=0)
    layers: int | None = Field(default=None, ge=0)
    printer_model: str | None = None
    printer_model_id: str | None = None
    nozzle_diameter: float | None = Field(default=None, gt=0)
    bed_type: str | None = None
    thumbnail: bytes | None = Field(default=None, exclude=True, repr=False)
    width: float | None = Field(default=None, gt=0)
    depth: float | None = Field(default=None, gt=0)
    height: float | None = Field(default=None, gt=0)


class SliceSettings(_Frozen):
    """How the file was sliced: mm, percent, mm/s along the inner walls, °C. What it does not say is None."""

    layer_height: float | None = Field(default=None, gt=0)
    infill: float | None = Field(default=None, ge=0, le=100)
    print_speed: float | None = Field(default=None, gt=0)
    nozzle_temperature: float | None = Field(default=None, ge=0)
    bed_temperature: float | None = Field(default=None, ge=0)
    supports: bool | None = None


class PrintFile(_Frozen):
    """A file that can be printed: at least one plate with G-code, in the order of their numbers.

    `settings` are those of its first plate.
    """

    kind: Kind
    file_name: str
    slicer: Slicer | None = None
    plates: tuple[Plate, ...] = Field(min_length=1)
    settings: SliceSettings | None = None

    @property
    def weight_g(self) -> float | None:
        """Grams of filament of all plates together; None where a plate does not say."""
        weights = [plate.weight_g for plate in self.plates]
        known = [weight for weight in weights if weight is not None]
        return round(sum(known), 3) if len(known) == len(weights) else None

    @property
    def estimated_seconds(self) -> int | None:
        """The printing time of all plates together; None where a plate does not say."""
        times = [plate.estimated_seconds for plate in self.plates]
        known = [seconds for seconds in times if seconds is not None]
        return sum(known) if len(known) == len(times) else None

    def plate(self, index: int) -> Plate | None:
        """The plate of that number, or None."""
        return next((plate for plate in self.plates if plate.index == index), None)
