"""A sliced 3MF: an archive in which `Metadata/plate_<n>.gcode` is what the printer runs."""

import re
from collections.abc import Mapping
from typing import BinaryIO

from printpipe.domain.print_files import slice_settings, values
from printpipe.domain.print_files.archive import Archive
from printpipe.domain.print_files.gcode import GcodeNotes, GcodeScan
from printpipe.domain.print_files.layout import Footprint, read_footprint
from printpipe.domain.print_files.limits import Limits
from printpipe.domain.print_files.model import Filament, Plate, PrintFile, Slicer, SliceSettings
from printpipe.domain.print_files.refusals import quoted, refused
from printpipe.domain.print_files.settings_xml import PlateSettings, Settings, read_settings

_CONTENT_TYPES = "[Content_Types].xml"
_SLICE_INFO = "Metadata/slice_info.config"
_MODEL_SETTINGS = "Metadata/model_settings.config"
_PROJECT_SETTINGS = "Metadata/project_settings.config"
_GCODE = re.compile(r"Metadata/plate_([1-9][0-9]{0,3})\.gcode")
_FILAMENTS = 64


def inspect_3mf(source: BinaryIO, file_name: str, limits: Limits) -> PrintFile:
    """What the 3MF says; every entry is unpacked once, so that size and checksum of all are verified.

    Raises `InvalidInput` or `TooLarge`.
    """
    archive = Archive(source, limits)
    gcode = _find_gcode(archive, limits)
    read = {name for name in (_CONTENT_TYPES, _SLICE_INFO, _MODEL_SETTINGS) if name in archive.entries}
    if _MODEL_SETTINGS in read and archive.entries[_MODEL_SETTINGS].unpacked > limits.xml_bytes:
        read.remove(_MODEL_SETTINGS)  # it grows with the number of parts, and only names the plates
    xml = {name: read_settings(name, archive.read(name, limits.xml_bytes), limits) for name in sorted(read)}
    if xml[_CONTENT_TYPES].root != "Types":
        raise refused(f"The file is not a 3MF: its {_CONTENT_TYPES} does not list content types.")
    sliced = _by_number(xml.get(_SLICE_INFO), "index")
    named = _by_number(xml.get(_MODEL_SETTINGS), "plater_id")
    wanted = {index: _thumbnail_name(index, named.get(index), archive) for index in gcode}
    notes: dict[str, GcodeNotes] = {}
    pictures: dict[str, bytes | None] = {}
    layouts = {f"Metadata/plate_{index}.json": index for index in gcode}
    footprints: dict[int, Footprint | None] = {}
    project: dict[str, str] = {}
    for name, entry in archive.entries.items():
        if name in read:
            continue
        if name in gcode.values():
            scan = GcodeScan(f"The entry {quoted(name)}", limits)
            for piece in archive.pieces(name):
                scan.feed(piece)
            notes[name] = scan.finish()
        elif name in wanted.values() and entry.unpacked <= limits.thumbnail_bytes:
            pictures[name] = values.png(archive.read(name, limits.thumbnail_bytes))
        elif name in layouts and entry.unpacked <= limits.layout_bytes:
            footprints[layouts[name]] = read_footprint(archive.read(name, limits.layout_bytes))
        elif name == _PROJECT_SETTINGS and entry.unpacked <= limits.project_bytes:
            project = slice_settings.of_project(archive.read(name, limits.project_bytes))
        else:
            for _ in archive.pieces(name):
                pass
    plates = tuple(
        _plate(
            index,
            path,
            notes[path],
            sliced.get(index),
            named.get(index),
            pictures.get(wanted[index]),
            footprints.get(index),
            project,
        )
        for index, path in sorted(gcode.items())
    )
    slicer = next((note.slicer for note in notes.values() if note.slicer), None)
    first = plates[0]
    return PrintFile(
        kind="3mf",
        file_name=file_name,
        slicer=slicer or _client(xml.get(_SLICE_INFO)),
        plates=plates,
        settings=_settings(first, notes[gcode[first.index]], sliced.get(first.index), project),
    )


def picture_names(archive: Archive, limits: Limits) -> dict[int, str]:
    """The entry that holds the picture of each plate, if it is there at all, in the order of the plates."""
    named: dict[int, PlateSettings] = {}
    if _MODEL_SETTINGS in archive.entries and archive.entries[_MODEL_SETTINGS].unpacked <= limits.xml_bytes:
        named = _by_number(
            read_settings(_MODEL_SETTINGS, archive.read(_MODEL_SETTINGS, limits.xml_bytes), limits), "plater_id"
        )
    return {index: _thumbnail_name(index, named.get(index), archive) for index in sorted(_find_gcode(archive, limits))}


def _find_gcode(archive: Archive, limits: Limits) -> dict[int, str]:
    if _CONTENT_TYPES not in archive.entries:
        raise refused(f"The file is not a 3MF: {_CONTENT_TYPES} is missing.")
    found = {int(match[1]): name for name in archive.entries if (match := _GCODE.fullmatch(name))}
    if len(found) > limits.plates:
        raise refused(f"The 3MF has more than {limits.plates} plates.")
    if not found and any(name.lower().endswith(".model") for name in archive.entries):
        raise refused("The 3MF is not sliced: no plate with G-code. Export the sliced plate from the slicer.")
    if not found:
        raise refused("The file is not a 3MF: it holds neither a model nor a plate with G-code.")
    return found


def _by_number(settings: Settings | None, key: str) -> dict[int, PlateSettings]:
    found: dict[int, PlateSettings] = {}
    for plate in settings.plates if settings else ():
        if index := values.whole(plate.metadata.get(key)):
            found.setdefault(index, plate)
    return found


def _thumbnail_name(index: int, named: PlateSettings | None, archive: Archive) -> str:
    name = named.metadata.get("thumbnail_file", "") if named else ""
    return name if name in archive.entries else f"Metadata/plate_{index}.png"


def _plate(
    index: int,
    path: str,
    notes: GcodeNotes,
    sliced: PlateSettings | None,
    named: PlateSettings | None,
    picture: bytes | None,
    footprint: Footprint | None,
    project: Mapping[str, str],
) -> Plate:
    """The slicer's settings first, the G-code's own comments where those are silent."""
    said = sliced.metadata if sliced else {}
    seconds = values.whole(said.get("prediction"))
    weight = values.number(said.get("weight"))
    return Plate(
        index=index,
        gcode_path=path,
        name=values.text(named.metadata.get("plater_name")) if named else None,
        estimated_seconds=notes.estimated_seconds if seconds is None else seconds,
        filament=_filament(sliced, {**project, **notes.settings}) or notes.filament,
        weight_g=notes.weight_g if weight is None else weight,
        layers=notes.layers,
        printer_model=notes.printer_model,
        printer_model_id=values.text(said.get("printer_model_id")),
        nozzle_diameter=values.positive(said.get("nozzle_diameters", "").split(",")[0]) or notes.nozzle_diameter,
        bed_type=notes.bed_type,
        thumbnail=picture or notes.thumbnail,
        width=footprint.width if footprint else notes.width,
        depth=footprint.depth if footprint else notes.depth,
        height=notes.height,
    )


def _settings(
    plate: Plate, notes: GcodeNotes, sliced: PlateSettings | None, project: Mapping[str, str]
) -> SliceSettings | None:
    """The plate's own G-code first, where that is silent the project; whether it has supports is the plate's to say."""
    said = {**project, **notes.settings}
    if used := (sliced.metadata if sliced else {}).get("support_used"):
        said["enable_support"] = used
    return slice_settings.read(said, plate.filament[0].slot if plate.filament else 1)


def _filament(sliced: PlateSettings | None, said_of_all: Mapping[str, str]) -> tuple[Filament, ...]:
    return tuple(
        Filament(
            slot=slot,
            type=values.text(said.get("type")),
            brand=slice_settings.vendor(said_of_all, slot),
            color=values.color(said.get("color")),
            used_g=values.number(said.get("used_g")),
            used_m=values.number(said.get("used_m")),
        )
        for said in (sliced.filament[:_FILAMENTS] if sliced else ())
        if (slot := values.whole(said.get("id")))
    )


def _client(settings: Settings | None) -> Slicer | None:
    """Bambu Studio's header names its version only."""
    version = values.text(settings.header.get("X-BBL-Client-Version")) if settings else None
    return Slicer(name="BambuStudio", version=version) if version else None
