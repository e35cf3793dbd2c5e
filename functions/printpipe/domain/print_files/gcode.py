"""G-code as slicers write it: the comments before and behind the commands.

Bambu Studio and OrcaSlicer put a HEADER_BLOCK first, PrusaSlicer and SuperSlicer their numbers and settings last,
Cura its few numbers first; pictures stand in `thumbnail begin … end` blocks of base64 near the start.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from printpipe.domain.print_files import slice_settings, values
from printpipe.domain.print_files.durations import parse_duration
from printpipe.domain.print_files.limits import Limits
from printpipe.domain.print_files.model import Filament, Slicer
from printpipe.domain.print_files.refusals import refused

_HEAD = 512 << 10
_TAIL = 128 << 10
_LINE = 4_200
_VALUE = 4_096
# Slicers write some hundred lines of comments at either end, and pictures at the start; what lies between is not read.
_FIRST_COMMENTS = 8_000
_LAST_LINES = 4_000
_FILAMENTS = 64
_TEXT_BYTES = bytes({9, 10, 11, 12, 13, *range(0x20, 0x7F), *range(0x80, 0x100)})
_COMMAND = re.compile(rb"[\r\n][ \t]*(?:N[0-9]+[ \t]*)?[GM][0-9]")
_COMMENT = re.compile(rb"^;([^\n]*)", re.MULTILINE)
_LAYER_MARK = b"\n;LAYER_CHANGE"
_BINARY_GCODE = b"GCDE"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A comment's key, in lower case → what it means. Where two say the same, the first in the file counts.
_NOTES = {
    "total estimated time": "time",
    "estimated printing time (normal mode)": "time",
    "estimated printing time": "time",
    "time": "time",
    "total layer number": "layers",
    "total layers count": "layers",
    "layer_count": "layers",
    "total filament weight [g]": "grams",
    "filament used [g]": "grams",
    "total filament used [g]": "total_grams",
    "total filament length [mm]": "millimetres",
    "filament used [mm]": "millimetres",
    "filament used": "metres",
    "filament": "slots",
    "filament_type": "types",
    "filament_colour": "colors",
    "printer_model": "printer_model",
    "target_machine.name": "printer_model",
    "nozzle_diameter": "nozzle_diameter",
    "curr_bed_type": "bed_type",
    "max_z_height": "height",
    "minx": "left",
    "maxx": "right",
    "miny": "front",
    "maxy": "back",
    "maxz": "height",
}
_LAYER_HEIGHT = "layer height"
"""What Cura calls it; the others have it among their settings."""
_BOTH_TIMES = re.compile(r"model printing time: [^;]{0,100}; ?(total estimated time: .{0,100})", re.IGNORECASE)
_GENERATED = re.compile(
    r"generated (?:by|with) ([A-Za-z][A-Za-z_ -]{0,40}?) v?([0-9][0-9A-Za-z._-]{0,40})", re.IGNORECASE
)
_HEADED = re.compile(r"(BambuStudio|OrcaSlicer) v?([0-9][0-9A-Za-z._-]{0,40})")
_SLICER_NAMES = {"Cura_SteamEngine": "Cura"}
_THUMBNAIL = re.compile(r"thumbnail begin ([0-9]{1,4})x([0-9]{1,4}) [0-9]{1,9}")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")
_THUMBNAIL_END = "thumbnail end"


@dataclass(frozen=True)
class GcodeNotes:
    """What the comments say; times in seconds, weight in grams, diameter and size in mm; None where they do not.

    `settings` are the slicer's own, as `slice_settings` reads them.
    """

    slicer: Slicer | None
    estimated_seconds: int | None
    layers: int | None
    filament: tuple[Filament, ...]
    weight_g: float | None
    printer_model: str | None
    nozzle_diameter: float | None
    bed_type: str | None
    thumbnail: bytes | None
    width: float | None
    depth: float | None
    height: float | None
    settings: Mapping[str, str]


class GcodeScan:
    """Reads G-code piece by piece, keeping its start and its end only; `what` names it in messages."""

    def __init__(self, what: str, limits: Limits) -> None:
        self._what = what
        self._limits = limits
        self._head = bytearray()
        self._tail = b""
        self._cut = False
        self._carry = b"\n"
        self._commands = False
        self._layer_marks = 0

    def feed(self, piece: bytes) -> None:
        """The next bytes. Raises `InvalidInput` where they are not text."""
        if not self._head:
            if piece.startswith(_BINARY_GCODE):
                raise refused(f"{self._what} is binary G-code (.bgcode); export it as plain G-code.")
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        if piece.translate(None, _TEXT_BYTES):
            raise refused(f"{self._what} is not G-code: it holds binary data.")
        window = self._carry + piece
        self._layer_marks += window.count(_LAYER_MARK)
        self._commands = self._commands or _COMMAND.search(window) is not None
        self._carry = window[-(len(_LAYER_MARK) - 1) :]
        room = _HEAD - len(self._head)
        self._head += piece[:room]
        if rest := piece[room:]:
            kept = self._tail + rest
            self._cut = self._cut or len(kept) > _TAIL
            self._tail = kept[-_TAIL:]

    def finish(self) -> GcodeNotes:
        """What was said. Raises `InvalidInput` where no command was seen."""
        if not self._commands:
            raise refused(f"{self._what} is not G-code: it holds no command.")
        comments = _Comments(self._limits.thumbnail_bytes)
        if self._cut:
            kept = bytes(self._head.rpartition(b"\n")[0] + b"\n" + self._tail.partition(b"\n")[2])
        else:
            kept = bytes(self._head + self._tail)
        position = 0
        for found in islice(_COMMENT.finditer(kept), _FIRST_COMMENTS):
            comments.read(found[1])
            position = found.end()
        for line in kept[position:].rsplit(b"\n", _LAST_LINES)[-_LAST_LINES:]:
            if line.startswith(b";"):
                comments.read(line[1:])
        return comments.notes(self._layer_marks)


@dataclass
class _Comments:
    thumbnail_bytes: int
    said: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    slicer: Slicer | None = None
    thumbnail: bytes | None = None
    _area: int = 0
    _block: list[str] | None = None
    _block_area: int = 0

    def read(self, line: bytes) -> None:
        """The next comment, without its semicolon."""
        comment = line[:_LINE].decode(errors="replace").strip()
        if self._block is not None:
            if _BASE64.fullmatch(comment):
                self._block.append(comment)
                return
            block, self._block = self._block, None
            if comment.startswith(_THUMBNAIL_END):
                self._read_thumbnail("".join(block))
        if begun := _THUMBNAIL.match(comment):
            self._block, self._block_area = [], int(begun[1]) * int(begun[2])
        elif generated := _GENERATED.match(comment) or (None if self.slicer else _HEADED.match(comment)):
            name = generated[1].strip()
            self.slicer = Slicer(name=_SLICER_NAMES.get(name, name), version=generated[2])
        else:
            if both := _BOTH_TIMES.match(comment):
                comment = both[1]
            key, sign, value = comment.partition(" = ")
            if key in slice_settings.NAMES and sign:
                self.settings.setdefault(key, value.strip()[:_VALUE])
            if not sign:
                key, _, value = comment.partition(":")
                if key.strip().lower() == _LAYER_HEIGHT:
                    self.settings.setdefault("layer_height", value.strip()[:_VALUE])
            if note := _NOTES.get(key.strip().lower()):
                self.said.setdefault(note, value.strip()[:_VALUE])

    def _read_thumbnail(self, block: str) -> None:
        try:
            picture = values.png(base64.b64decode(block, validate=True))
        except binascii.Error:
            return
        if picture and len(picture) <= self.thumbnail_bytes and self._block_area > self._area:
            self.thumbnail, self._area = picture, self._block_area

    def notes(self, layer_marks: int) -> GcodeNotes:
        filament = self._filament()
        weights = [item.used_g for item in filament if item.used_g is not None]
        return GcodeNotes(
            slicer=self.slicer,
            estimated_seconds=parse_duration(self.said.get("time", "")),
            layers=values.whole(self.said.get("layers")) or layer_marks or None,
            filament=filament,
            weight_g=values.number(self.said.get("total_grams")) or (round(sum(weights), 3) if weights else None),
            printer_model=values.text(self.said.get("printer_model")),
            nozzle_diameter=values.positive(self._list("nozzle_diameter", ",", 1)[0]),
            bed_type=values.text(self.said.get("bed_type")),
            thumbnail=self.thumbnail,
            width=values.span(self.said.get("left"), self.said.get("right")),
            depth=values.span(self.said.get("front"), self.said.get("back")),
            height=values.positive(self.said.get("height")),
            settings=self.settings,
        )

    def _list(self, note: str, separator: str, at_least: int) -> list[str]:
        said = self.said.get(note)
        parts = [part.strip() for part in said.split(separator)[:_FILAMENTS]] if said else []
        return parts + [""] * (at_least - len(parts))

    def _filament(self) -> tuple[Filament, ...]:
        """Those with an amount, or all that are named where no amount is given."""
        grams = [values.number(part) for part in self._list("grams", ",", 0)]
        metres = [values.number(part.removesuffix("m")) for part in self._list("metres", ",", 0)]
        if not metres:
            lengths = [values.number(part) for part in self._list("millimetres", ",", 0)]
            metres = [None if length is None else round(length / 1_000, 4) for length in lengths]
        types, colors = self._list("types", ";", 0), self._list("colors", ";", 0)
        amounts = max(len(grams), len(metres))
        named = [values.whole(part) or 0 for part in self._list("slots", ",", 0)]
        slots = named if len(named) == amounts and all(named) else list(range(1, (amounts or len(types)) + 1))
        used: list[Filament] = []
        for place, slot in enumerate(slots):
            item = Filament(
                slot=slot,
                type=values.text(types[slot - 1]) if slot <= len(types) else None,
                brand=slice_settings.vendor(self.settings, slot),
                color=values.color(colors[slot - 1]) if slot <= len(colors) else None,
                used_g=grams[place] if place < len(grams) else None,
                used_m=metres[place] if place < len(metres) else None,
            )
            if not amounts or item.used_g or item.used_m:
                used.append(item)
        return tuple(used)
