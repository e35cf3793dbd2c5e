"""How much filament a print's moves push through, for files that do not say so themselves."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import BinaryIO

from printpipe.domain.print_files import values
from printpipe.domain.print_files.archive import Archive
from printpipe.domain.print_files.limits import DEFAULT_LIMITS, Limits

_PIECE = 256 << 10
_LONGEST_LINE = 64 << 10
_TOOLS = 64
_NUMBER = rb"(-?[0-9]{0,9}(?:\.[0-9]{0,9})?)"
_WORD = re.compile(
    rb"^(?:N[0-9]{1,9} +)?(?:G[0-3] [^;E\n]*E" + _NUMBER + rb"|(G9[01]|M8[23])\b|G92 [^;E\n]*E" + _NUMBER
    + rb"|T([0-9]{1,5})\b|; *(filament_(?:density|diameter)) *[=:] *([0-9.,;]{1,400}))",
    re.MULTILINE,
)  # fmt: skip


@dataclass(frozen=True)
class Extruded:
    """The filament that a plate's moves push: millimetres by slot, from 1; None where the moves make no sense.

    `densities` (g/cm³) and `diameters` (mm) are what the slicer says of each slot's, 0 for what it does not know.
    """

    millimetres: Mapping[int, float]
    densities: tuple[float, ...] = ()
    diameters: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        """Of all slots."""
        return sum(self.millimetres.values())


def read_extruded(
    source: BinaryIO, gcode_paths: Mapping[int, str | None], wanted: Set[int], limits: Limits = DEFAULT_LIMITS
) -> dict[int, Extruded]:
    """What the moves of the wanted plates push, by the plates' numbers; a path None is the bare G-code file itself.

    Raises `InvalidInput` or `TooLarge` where the file cannot be read.
    """
    archive = Archive(source, limits) if any(gcode_paths[index] for index in wanted) else None
    found = {}
    for index in sorted(wanted):
        scan, path = ExtrusionScan(), gcode_paths[index]
        for piece in archive.pieces(path) if archive and path else _pieces(source):
            scan.feed(piece)
        found[index] = scan.finish()
    return found


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while piece := source.read(_PIECE):
        yield piece


@dataclass
class ExtrusionScan:
    """Follows the extruder through G-code that comes piece by piece.

    What is drawn back counts as not pushed. G91 makes the extruder relative until G90, M83 until M82; T chooses the
    slot of its number plus one.
    """

    _pushed: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    _said: dict[bytes, tuple[float, ...]] = field(default_factory=dict)
    _carry: bytes = b""
    _slot: int = 1
    _place: float = 0.0
    _relative_moves: bool = False
    _relative_extruder: bool = False

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
        whole, newline, rest = (self._carry + piece.replace(b"\r", b"\n")).rpartition(b"\n")
        self._carry = rest[:_LONGEST_LINE]
        if newline:
            self._follow(whole)

    def finish(self) -> Extruded:
        """What was pushed in all."""
        self._follow(self._carry)
        pushed = {slot: round(length, 3) for slot, length in sorted(self._pushed.items()) if length > 0}
        return Extruded(pushed, self._said.get(b"filament_density", ()), self._said.get(b"filament_diameter", ()))

    def _follow(self, lines: bytes) -> None:
        for move, mode, place, tool, setting, said in _WORD.findall(lines):
            if move:
                self._move(_float(move))
            elif mode:
                self._relative_moves = {b"G90": False, b"G91": True}.get(mode, self._relative_moves)
                self._relative_extruder = {b"M82": False, b"M83": True}.get(mode, self._relative_extruder)
            elif place:
                self._place = _float(place)
            elif tool:
                self._slot = int(tool) + 1 if int(tool) < _TOOLS else self._slot
            elif setting:
                parts = re.split(r"[,;]", said.decode())[:_TOOLS]
                self._said.setdefault(setting, tuple(values.number(part) or 0.0 for part in parts))

    def _move(self, to: float) -> None:
        if self._relative_moves or self._relative_extruder:
            self._pushed[self._slot] += to
            return
        self._pushed[self._slot] += to - self._place
        self._place = to


def _float(number: bytes) -> float:
    try:
        return float(number)
    except ValueError:
        return 0.0
