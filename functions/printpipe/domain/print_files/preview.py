"""The first picture of a print file, without reading the whole of it."""

from contextlib import suppress
from typing import BinaryIO

from printpipe.domain.errors import InvalidInput, TooLarge
from printpipe.domain.print_files import png
from printpipe.domain.print_files.archive import Archive
from printpipe.domain.print_files.gcode import GcodeScan
from printpipe.domain.print_files.limits import DEFAULT_LIMITS, Limits
from printpipe.domain.print_files.names import Kind
from printpipe.domain.print_files.threemf import picture_names

_HEAD = 512 << 10
"""Slicers put a G-code's pictures in front."""


def read_preview(source: BinaryIO, kind: Kind, limits: Limits = DEFAULT_LIMITS) -> bytes | None:
    """The picture of the first plate that has a good one, as a PNG without anything else in it; None where none has.

    Reads an archive's directory and its pictures alone, of plain G-code the start. A file that was damaged has none.
    """
    with suppress(InvalidInput, TooLarge):
        if kind == "3mf":
            return _of_3mf(Archive(source, limits), limits)
        source.seek(0)
        scan = GcodeScan("The file", limits)
        scan.feed(source.read(_HEAD))
        found = scan.finish().thumbnail
        return png.cleaned(found, limits.thumbnail_side) if found else None
    return None


def _of_3mf(archive: Archive, limits: Limits) -> bytes | None:
    for name in picture_names(archive, limits).values():
        if name in archive.entries and archive.entries[name].unpacked <= limits.thumbnail_bytes:
            picture = png.cleaned(archive.read(name, limits.thumbnail_bytes), limits.thumbnail_side)
            if picture is not None:
                return picture
    return None
