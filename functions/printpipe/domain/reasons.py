"""Why a job does not fit a printer, in words that programs can read."""

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """What is in the way, in the order in which it is told; behind each what its detail says, where it has one."""

    FILE_MISSING = "file_missing"
    """The plate, where the file has no such."""
    NOT_WANTED = "not_wanted"
    """The job is for another printer."""
    INACTIVE = "inactive"
    UNREACHABLE = "unreachable"
    """Nobody told the printer's serial number, so that no command can be addressed to it."""
    FILE_AT_OTHER_SITE = "file_at_other_site"
    OFFLINE = "offline"
    BUSY = "busy"
    PLATE_NOT_CLEARED = "plate_not_cleared"
    MODEL_MISMATCH = "model_mismatch"
    """The model that the file was sliced for."""
    MODEL_UNKNOWN = "model_unknown"
    TOO_LARGE = "too_large"
    """Width, depth and height of the print, in mm."""
    NOZZLE_MISMATCH = "nozzle_mismatch"
    """The diameter that the file was sliced for, in mm."""
    NOZZLE_UNKNOWN = "nozzle_unknown"
    MATERIAL_MISSING = "material_missing"
    """The type of filament."""
    COLOR_MISSING = "color_missing"
    """The type, where it is known, and the colour."""
    MATERIAL_UNKNOWN = "material_unknown"
    """The type, where the file says it."""
    AMS_UNKNOWN = "ams_unknown"
    """Which filaments are loaded where nobody knows, and the job asks for some of them."""
    START_REFUSED = "start_refused"
    """What a start of the file lacks, or holds that no start can."""
    WAITING_FOR_ITS_TURN = "waiting_for_its_turn"
    """Nothing: the job fits, and begins there when those before it have."""
    NO_PRINTERS = "no_printers"
    """Of the job, not of a printer: its organization has none."""
    WANTED_PRINTER_GONE = "wanted_printer_gone"
    """Of the job, not of a printer: the one that it waits for is no more."""


_ORDER = {code: place for place, code in enumerate(ReasonCode)}


@dataclass(frozen=True)
class Reason:
    """One thing that is in the way."""

    code: ReasonCode
    detail: str | None = None

    @property
    def text(self) -> str:
        """`code` or `code: detail`."""
        return f"{self.code}: {self.detail}" if self.detail else str(self.code)


def in_order(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Each reason once, in the order of the codes, then of the details."""
    return tuple(sorted(set(reasons), key=lambda reason: (_ORDER[reason.code], reason.detail or "")))
