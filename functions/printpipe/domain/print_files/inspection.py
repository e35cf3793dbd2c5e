"""A print file from its bytes."""

from typing import BinaryIO

from printpipe.domain.print_files import slice_settings
from printpipe.domain.print_files.gcode import GcodeScan
from printpipe.domain.print_files.limits import DEFAULT_LIMITS, Limits
from printpipe.domain.print_files.model import Plate, PrintFile
from printpipe.domain.print_files.names import check_file_name, kind_of
from printpipe.domain.print_files.refusals import oversized, refused
from printpipe.domain.print_files.threemf import inspect_3mf

_PIECE = 256 << 10


def inspect(source: BinaryIO, file_name: str, limits: Limits = DEFAULT_LIMITS) -> PrintFile:
    """What the file in the seekable stream says of itself; its extension decides how it is read.

    Raises `InvalidInput` (field `file`) where it is not a sliced 3MF or plain G-code, is damaged or is hostile, and
    `TooLarge` where it is more than the limits allow. The stream's position is undefined afterwards.
    """
    name = check_file_name(file_name)
    if kind_of(name) == "3mf":
        return inspect_3mf(source, name, limits)
    return _inspect_gcode(source, name, limits)


def _inspect_gcode(source: BinaryIO, file_name: str, limits: Limits) -> PrintFile:
    scan = GcodeScan("The file", limits)
    size = 0
    source.seek(0)
    while piece := source.read(_PIECE):
        if not size and piece.startswith(b"PK"):
            raise refused("The file is an archive, not G-code; a sliced 3MF must be named .3mf.")
        size += len(piece)
        if size > limits.unpacked_bytes:
            raise oversized(f"The file is larger than {limits.unpacked_bytes // 1_000_000} MB.")
        scan.feed(piece)
    if not size:
        raise refused("The file is empty.")
    notes = scan.finish()
    plate = Plate(
        index=1,
        estimated_seconds=notes.estimated_seconds,
        filament=notes.filament,
        weight_g=notes.weight_g,
        layers=notes.layers,
        printer_model=notes.printer_model,
        nozzle_diameter=notes.nozzle_diameter,
        bed_type=notes.bed_type,
        thumbnail=notes.thumbnail,
        width=notes.width,
        depth=notes.depth,
        height=notes.height,
    )
    return PrintFile(
        kind="gcode",
        file_name=file_name,
        slicer=notes.slicer,
        plates=(plate,),
        settings=slice_settings.read(notes.settings, plate.filament[0].slot if plate.filament else 1),
    )
