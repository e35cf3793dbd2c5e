"""What the printer reads from a file before it prints: the plate's G-code in a 3MF, or plain G-code."""

import hashlib
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

STORAGE_ERROR = 0x0500C010
"""print_error 0500_C010: the file is not on the storage."""
PARSE_ERROR = 0x05004003
"""print_error 0500_4003: the file, its digest or its plate is not right."""

_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)
"""What the zip reader raises for archives that are damaged, encrypted or packed in an unknown way."""
_HEADER_LINES = 2000
_MAX_GCODE_BYTES = 256 * 1024 * 1024
_FALLBACK_SECONDS_PER_LINE = 0.02
_LAYER_MARKS = ("; CHANGE_LAYER", ";LAYER_CHANGE", ";LAYER:")
_TOTAL_LAYERS = re.compile(r"^; ?(?:total layer number|total layers count|layer_count)\s*[:=]\s*(\d+)", re.IGNORECASE)
_TOTAL_TIME = re.compile(
    r"(?:total estimated time|estimated printing time \(normal mode\)|model printing time)\s*[:=]\s*([\dhdms ]+)"
)
_TIME_PART = re.compile(r"(\d+)\s*([dhms])")
_UNIT_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_TEMPERATURE = re.compile(r"^(M104|M109|M140|M190)\b.*?\bS(\d+)")


class ProjectError(Exception):
    """The file cannot be printed; `print_error` is the code that the printer reports."""

    def __init__(self, print_error: int, message: str) -> None:
        super().__init__(message)
        self.print_error = print_error


@dataclass(frozen=True)
class PlatePlan:
    """What one plate needs: layers, seconds at standard speed, and target temperatures in °C."""

    layers: int
    seconds: float
    nozzle: int
    bed: int


def read_plate(path: Path, member: str, md5: str = "") -> PlatePlan:
    """Open a 3MF and read the plate `member` (`Metadata/plate_1.gcode`).

    `md5` is the upper-case hex digest of the whole file, or empty. Raises ProjectError.
    """
    _check_file(path, md5)
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(member)
            if entry.file_size > _MAX_GCODE_BYTES:
                raise ProjectError(PARSE_ERROR, f"{member} is too large")
            with archive.open(entry) as source:
                return _read_gcode(source)
    except KeyError:
        raise ProjectError(PARSE_ERROR, f"no {member} in {path.name}") from None
    except _BROKEN_ARCHIVE as error:
        raise ProjectError(PARSE_ERROR, f"{path.name} cannot be opened: {error}") from None


def read_gcode_file(path: Path) -> PlatePlan:
    """Read a plain G-code file. Raises ProjectError."""
    _check_file(path, "")
    with path.open("rb") as source:
        return _read_gcode(source)


def _check_file(path: Path, md5: str) -> None:
    if not path.is_file():
        raise ProjectError(STORAGE_ERROR, f"no file {path.name}")
    if md5:
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, lambda: hashlib.md5(usedforsecurity=False)).hexdigest().upper()
        if digest != md5:
            raise ProjectError(PARSE_ERROR, f"{path.name} has another MD5")


def _read_gcode(source: IO[bytes]) -> PlatePlan:
    """Layers and time from the header's comments; what the header lacks is counted from the lines."""
    reader = _Reader()
    for number, raw in enumerate(source):
        reader.take(raw.decode("utf-8", "replace").rstrip())
        if number >= _HEADER_LINES and reader.layers and reader.seconds:
            break
    if not reader.moves:
        raise ProjectError(PARSE_ERROR, "no G-code in the file")
    return reader.plan()


class _Reader:
    """Collects from the lines of a G-code file what a plan needs."""

    def __init__(self) -> None:
        self.layers = 0
        self.seconds = 0
        self.marks = 0
        self.moves = 0
        self.nozzle = 0
        self.bed = 0

    def take(self, line: str) -> None:
        if not line.startswith(";"):
            self.moves += line.startswith(("G0", "G1", "G2", "G3"))
            if found := _TEMPERATURE.match(line):
                value = int(found[2])
                if found[1] in ("M104", "M109"):
                    self.nozzle = max(self.nozzle, value)
                else:
                    self.bed = max(self.bed, value)
            return
        self.marks += line.startswith(_LAYER_MARKS)
        if not self.layers and (found := _TOTAL_LAYERS.match(line)):
            self.layers = int(found[1])
        times = [seconds_of(text) for text in _TOTAL_TIME.findall(line)]
        self.seconds = max([self.seconds, *times])

    def plan(self) -> PlatePlan:
        return PlatePlan(
            layers=self.layers or self.marks or 1,
            seconds=self.seconds or max(60.0, self.moves * _FALLBACK_SECONDS_PER_LINE),
            nozzle=self.nozzle,
            bed=self.bed,
        )


def seconds_of(text: str) -> int:
    """The seconds in a slicer's `1d 2h 3m 4s`."""
    parts: Iterable[tuple[str, str]] = _TIME_PART.findall(text)
    return sum(int(amount) * _UNIT_SECONDS[unit] for amount, unit in parts)
