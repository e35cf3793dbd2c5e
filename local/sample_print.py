"""A real `.gcode.3mf`, as a slicer for Bambu printers exports it: a small cube, sliced, with moving G-code inside.

The same arguments give the same bytes, so that a hash in a test or a time line stays what it was.
"""

import hashlib
import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from xml.sax.saxutils import escape, quoteattr

LAYER_HEIGHT = 0.2
"""Height of every layer, mm."""
WALL_LOOPS = 3
"""Perimeters of a layer."""
CUBE_SIDE = 20.0
"""Outer side of the printed square, mm."""

_LINE_WIDTH = 0.42
_FILAMENT_DIAMETER = 1.75
_FILAMENT_AREA = math.pi * (_FILAMENT_DIAMETER / 2) ** 2
_BED_CENTRE = 128.0
_THUMBNAIL_SIDE = 128
_COLOUR = "#2FA36B"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class _Material:
    """What the slicer knows of a filament: density in g/cm³, temperatures in °C, Bambu's profile id."""

    density: float
    nozzle: int
    bed: int
    profile: str


_MATERIALS = {
    "PLA": _Material(1.24, 220, 55, "GFL99"),
    "PETG": _Material(1.27, 255, 70, "GFG99"),
    "ABS": _Material(1.04, 270, 90, "GFB99"),
}


_MODEL_IDS = {"P1S": "C12", "X1C": "BL-P001"}
"""The maker's ids of the printers that are sliced for."""


@dataclass(frozen=True)
class _Settings:
    """What is sliced for every plate: `seconds` is the estimated time, `model` a printer's name."""

    layers: int
    seconds: int
    filament: str
    color: str
    model: str

    @property
    def material(self) -> _Material:
        return _MATERIALS[self.filament]


@dataclass(frozen=True)
class _Plate:
    """One sliced plate."""

    index: int
    gcode: bytes
    weight: float
    length: float


def make_3mf(
    title: str,
    layers: int = 12,
    seconds: int = 600,
    plates: int = 1,
    filament: str = "PLA",
    color: str = _COLOUR,
    model: str = "P1S",
) -> bytes:
    """Return a sliced 3MF of a cube.

    `layers` and `seconds` (total estimated time) are what every plate's header says; `filament` is PLA, PETG or ABS,
    `color` is #RRGGBB, and `model` is the printer that is sliced for, P1S or X1C.
    Raises ValueError for a count below one, an unknown filament or model, and what is no colour.
    """
    if min(layers, seconds, plates) < 1:
        raise ValueError("layers, seconds and plates are at least 1")
    if filament not in _MATERIALS:
        raise ValueError(f"unknown filament {filament!r}, known: {', '.join(_MATERIALS)}")
    if model not in _MODEL_IDS:
        raise ValueError(f"unknown model {model!r}, known: {', '.join(_MODEL_IDS)}")
    if not re.fullmatch("#[0-9A-Fa-f]{6}", color):
        raise ValueError("color is #RRGGBB")
    settings = _Settings(layers, seconds, filament, color, model)
    sliced = [_slice(index, settings) for index in range(1, plates + 1)]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name, content in _members(title, settings, sliced):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, content)
    return archive.getvalue()


def _members(title: str, settings: _Settings, plates: list[_Plate]) -> Iterator[tuple[str, bytes]]:
    yield "[Content_Types].xml", _CONTENT_TYPES.encode()
    yield "_rels/.rels", _RELATIONS.encode()
    yield "3D/3dmodel.model", _model(title, settings.layers * LAYER_HEIGHT, len(plates)).encode()
    for plate in plates:
        yield f"Metadata/plate_{plate.index}.gcode", plate.gcode
        digest = hashlib.md5(plate.gcode, usedforsecurity=False).hexdigest().upper()
        yield f"Metadata/plate_{plate.index}.gcode.md5", digest.encode()
        yield f"Metadata/plate_{plate.index}.png", thumbnail()
    yield "Metadata/slice_info.config", _slice_info(settings, plates).encode()
    yield "Metadata/model_settings.config", _model_settings(title, plates).encode()


def _slice(index: int, settings: _Settings) -> _Plate:
    layers, seconds, material = settings.layers, settings.seconds, settings.material
    body: list[str] = []
    millimetres = 0.0
    for layer in range(1, layers + 1):
        share = (layer - 1) / layers
        body += [
            "; CHANGE_LAYER",
            f"; Z_HEIGHT: {layer * LAYER_HEIGHT:.2f}",
            f"; LAYER_HEIGHT: {LAYER_HEIGHT:.2f}",
            f"M73 P{int(share * 100)} R{math.ceil(seconds * (1 - share) / 60)}",
            f"M73 L{layer}",
            f"G1 Z{layer * LAYER_HEIGHT:.2f} F1200",
            "; FEATURE: Outer wall",
        ]
        for loop in range(WALL_LOOPS):
            moves, extruded = _square(CUBE_SIDE / 2 - _LINE_WIDTH * (loop + 0.5))
            body += moves
            millimetres += extruded
    weight = millimetres * _FILAMENT_AREA / 1000 * material.density
    preparation = min(60, seconds // 10)
    header = [
        "; HEADER_BLOCK_START",
        "; BambuStudio 02.00.00.95",
        f"; model printing time: {_duration(seconds - preparation)}; total estimated time: {_duration(seconds)}",
        f"; total layer number: {layers}",
        f"; total filament length [mm] : {millimetres:.2f}",
        f"; total filament volume [cm^3] : {millimetres * _FILAMENT_AREA:.2f}",
        f"; total filament weight [g] : {weight:.2f}",
        f"; filament_density: {material.density}",
        f"; filament_diameter: {_FILAMENT_DIAMETER}",
        f"; max_z_height: {layers * LAYER_HEIGHT:.2f}",
        "; filament: 1",
        "; HEADER_BLOCK_END",
        "",
        "; CONFIG_BLOCK_START",
        "; curr_bed_type = Textured PEI Plate",
        f"; filament_colour = {settings.color}",
        f"; filament_ids = {material.profile}",
        f"; filament_type = {settings.filament}",
        f"; layer_height = {LAYER_HEIGHT}",
        "; nozzle_diameter = 0.4",
        f"; nozzle_temperature = {material.nozzle}",
        f"; nozzle_temperature_initial_layer = {material.nozzle}",
        f"; textured_plate_temp = {material.bed}",
        f"; textured_plate_temp_initial_layer = {material.bed}",
        f"; wall_loops = {WALL_LOOPS}",
        "; CONFIG_BLOCK_END",
        "",
        "; EXECUTABLE_BLOCK_START",
        f"M140 S{material.bed}",
        f"M104 S{material.nozzle}",
        "G28",
        f"M190 S{material.bed}",
        f"M109 S{material.nozzle}",
        "G90",
        "M83",
        "M106 P1 S255",
    ]
    footer = ["M73 P100 R0", "M106 P1 S0", "M140 S0", "M104 S0", "M84", "; EXECUTABLE_BLOCK_END", ""]
    return _Plate(index, "\n".join(header + body + footer).encode(), weight, millimetres)


def _square(half: float) -> tuple[list[str], float]:
    """The moves around one square with this half side (mm), and the filament they push (mm)."""
    low, high = _BED_CENTRE - half, _BED_CENTRE + half
    side = 2 * half * LAYER_HEIGHT * _LINE_WIDTH / _FILAMENT_AREA
    corners = ((high, low), (high, high), (low, high), (low, low))
    moves = [f"G1 X{low:.3f} Y{low:.3f} F9000"]
    moves += [f"G1 X{x:.3f} Y{y:.3f} E{side:.5f} F3000" for x, y in corners]
    return moves, 4 * side


def _duration(seconds: int) -> str:
    """Seconds as the slicer writes them: `1d 2h 3m 4s` without leading zeros' units."""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, last = divmod(rest, 60)
    units = [(days, "d"), (hours, "h"), (minutes, "m"), (last, "s")]
    first = next((place for place, (amount, _) in enumerate(units) if amount), len(units) - 1)
    return " ".join(f"{amount}{unit}" for amount, unit in units[first:])


@cache
def thumbnail(side: int = _THUMBNAIL_SIDE) -> bytes:
    """A valid PNG, 8-bit RGBA, of a shaded square on a transparent ground."""
    red, green, blue = (int(_COLOUR[place : place + 2], 16) for place in (1, 3, 5))
    margin = side // 6
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            if margin <= x < side - margin and margin <= y < side - margin:
                light = 1.15 - 0.6 * (x + y) / (2 * side)
                rows += bytes(min(255, int(channel * light)) for channel in (red, green, blue)) + b"\xff"
            else:
                rows += b"\x00\x00\x00\x00"
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", header)
        + _png_chunk(b"IDAT", zlib.compress(bytes(rows), 9))
        + _png_chunk(b"IEND", b"")
    )


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


_CONTENT_TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
 <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
 <Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>
 <Default Extension="png" ContentType="image/png"/>
 <Default Extension="gcode" ContentType="text/x.gcode"/>
</Types>
"""

_RELATIONS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
 <Relationship Target="/3D/3dmodel.model" Id="rel-1" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>
 <Relationship Target="/Metadata/plate_1.png" Id="rel-2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"/>
</Relationships>
"""

_CORNERS = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
_TRIANGLES = [
    *((0, 2, 3), (0, 3, 1), (4, 5, 7), (4, 7, 6)),
    *((0, 1, 5), (0, 5, 4), (2, 6, 7), (2, 7, 3)),
    *((0, 4, 6), (0, 6, 2), (1, 3, 7), (1, 7, 5)),
]


def _model(title: str, height: float, plates: int) -> str:
    vertices = "\n".join(
        f'     <vertex x="{x * CUBE_SIDE:g}" y="{y * CUBE_SIDE:g}" z="{z * height:g}"/>' for x, y, z in _CORNERS
    )
    triangles = "\n".join(f'     <triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in _TRIANGLES)
    objects = "\n".join(
        f'  <object id="{number}" type="model">\n   <mesh>\n    <vertices>\n{vertices}\n    </vertices>\n'
        f"    <triangles>\n{triangles}\n    </triangles>\n   </mesh>\n  </object>"
        for number in range(1, plates + 1)
    )
    items = "\n".join(
        f'  <item objectid="{number}" transform="1 0 0 0 1 0 0 0 1 {118 + 307 * (number - 1)} 118 0" printable="1"/>'
        for number in range(1, plates + 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<model unit="millimeter" xml:lang="en-US"'
        ' xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">\n'
        f' <metadata name="Title">{escape(title)}</metadata>\n'
        ' <metadata name="Application">BambuStudio-02.00.00.95</metadata>\n'
        f" <resources>\n{objects}\n </resources>\n <build>\n{items}\n </build>\n</model>\n"
    )


def _slice_info(settings: _Settings, plates: list[_Plate]) -> str:
    blocks = "\n".join(
        "  <plate>\n"
        f'    <metadata key="index" value="{plate.index}"/>\n'
        f'    <metadata key="printer_model_id" value="{_MODEL_IDS[settings.model]}"/>\n'
        '    <metadata key="nozzle_diameters" value="0.4"/>\n'
        '    <metadata key="timelapse_type" value="0"/>\n'
        f'    <metadata key="prediction" value="{settings.seconds}"/>\n'
        f'    <metadata key="weight" value="{plate.weight:.2f}"/>\n'
        '    <metadata key="outside" value="false"/>\n'
        '    <metadata key="support_used" value="false"/>\n'
        '    <metadata key="label_object_enabled" value="false"/>\n'
        f'    <filament id="1" tray_info_idx="{settings.material.profile}" type="{settings.filament}"'
        f' color="{settings.color}" used_m="{plate.length / 1000:.2f}" used_g="{plate.weight:.2f}"/>\n'
        "  </plate>"
        for plate in plates
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<config>\n  <header>\n'
        '    <header_item key="X-BBL-Client-Type" value="slicer"/>\n'
        '    <header_item key="X-BBL-Client-Version" value="02.00.00.95"/>\n'
        f"  </header>\n{blocks}\n</config>\n"
    )


def _model_settings(title: str, plates: list[_Plate]) -> str:
    objects = "\n".join(
        f'  <object id="{plate.index}">\n    <metadata key="name" value={quoteattr(title)}/>\n'
        '    <metadata key="extruder" value="1"/>\n  </object>'
        for plate in plates
    )
    blocks = "\n".join(
        "  <plate>\n"
        f'    <metadata key="plater_id" value="{plate.index}"/>\n'
        '    <metadata key="plater_name" value=""/>\n'
        '    <metadata key="locked" value="false"/>\n'
        f'    <metadata key="gcode_file" value="Metadata/plate_{plate.index}.gcode"/>\n'
        f'    <metadata key="thumbnail_file" value="Metadata/plate_{plate.index}.png"/>\n'
        "    <model_instance>\n"
        f'      <metadata key="object_id" value="{plate.index}"/>\n'
        '      <metadata key="instance_id" value="0"/>\n'
        "    </model_instance>\n  </plate>"
        for plate in plates
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<config>\n{objects}\n{blocks}\n</config>\n'
