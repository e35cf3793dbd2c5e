"""Print files: what a sliced `.3mf` or a `.gcode` says of itself, and why some are refused."""

from printpipe.domain.print_files.durations import parse_duration
from printpipe.domain.print_files.extrusion import Extruded, read_extruded
from printpipe.domain.print_files.inspection import inspect
from printpipe.domain.print_files.limits import DEFAULT_LIMITS, Limits
from printpipe.domain.print_files.model import Filament, Plate, PrintFile, Slicer, SliceSettings
from printpipe.domain.print_files.names import MEDIA_TYPES, check_file_name, check_media_type, kind_of
from printpipe.domain.print_files.png import cleaned as cleaned_picture
from printpipe.domain.print_files.preview import read_preview

__all__ = [
    "DEFAULT_LIMITS",
    "MEDIA_TYPES",
    "Extruded",
    "Filament",
    "Limits",
    "Plate",
    "PrintFile",
    "SliceSettings",
    "Slicer",
    "check_file_name",
    "check_media_type",
    "cleaned_picture",
    "inspect",
    "kind_of",
    "parse_duration",
    "read_extruded",
    "read_preview",
]
