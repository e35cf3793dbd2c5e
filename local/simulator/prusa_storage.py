"""The USB drive of a simulated Prusa printer: a FAT volume, whose files have a long and a short name.

PrusaLink takes either name in a path; its answers call a file by the short one, and show the long one beside it.
"""

import hashlib
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.simulator.project import PlatePlan, read_gcode_file, seconds_of

ROOT = "/usb"
PRINTABLE = (".gcode", ".gco", ".g", ".bgcode", ".bgc")
_BINARY_MAGIC = b"GCDE"
_BINARY_HEAD_BYTES = 1024 * 1024
_BINARY_TIME = re.compile(r"estimated printing time \(normal mode\)=([\dhdms ]+)")
_DEFAULT_SECONDS = 600.0


class UsbDrive:
    """A folder of this machine as the drive. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = threading.Lock()
        self._short: dict[Path, str] = {}

    def locate(self, path: str) -> Path | None:
        """The file or folder that `/usb/…` names, by long or short names; None where there is none."""
        found = self.folder
        for part in path.removeprefix(ROOT).strip("/").split("/"):
            if not part:
                continue
            wanted = part.casefold()
            inside = sorted(found.iterdir()) if found.is_dir() else []
            match = next(
                (each for each in inside if wanted in (each.name.casefold(), self.short(each).casefold())), None
            )
            if match is None:
                return None
            found = match
        return found

    def place(self, path: str) -> Path | None:
        """Where a file of this path would be written; None where its folder does not exist."""
        folder, _, name = path.rpartition("/")
        inside = self.locate(folder)
        return inside / name if inside is not None and inside.is_dir() and name not in ("", ".", "..") else None

    def short(self, path: Path) -> str:
        """The 8.3 name, the same for as long as the file is there."""
        with self._lock:
            if path not in self._short:
                stem = re.sub("[^A-Z0-9_]", "", path.stem.upper())[:6] or "FILE"
                extension = path.suffix.upper()[:4]
                taken = {name for each, name in self._short.items() if each.parent == path.parent and each.exists()}
                names = (f"{stem}~{number}{extension}" for number in range(1, 100_000))
                self._short[path] = next(name for name in names if name not in taken)
            return self._short[path]

    def short_path(self, path: Path) -> str:
        """The path in short names."""
        inside = path.relative_to(self.folder)
        steps = [self.folder.joinpath(*inside.parts[: place + 1]) for place in range(len(inside.parts))]
        return "/".join([ROOT, *(self.short(step) for step in steps)])

    def describe(self, path: Path) -> dict[str, Any]:
        """The file or folder as `/api/v1/files` shows it; only a file asked for by itself has its size."""
        if not path.is_dir():
            return {**self._entry(path), "size": path.stat().st_size}
        children = [each for each in sorted(path.iterdir()) if each.is_dir() or is_printable(each.name)]
        return {**self._entry(path), "children": [self._entry(each) for each in children]}

    def all_files(self) -> Iterator[dict[str, Any]]:
        """Every file with its long path below the drive, size and SHA-256."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.suffix != ".tmp":
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                yield {"name": path.relative_to(self.folder).as_posix(), "size": path.stat().st_size, "sha256": digest}

    @property
    def free(self) -> int:
        """Free bytes."""
        return shutil.disk_usage(self.folder).free

    def _entry(self, path: Path) -> dict[str, Any]:
        top = path == self.folder
        entry: dict[str, Any] = {
            "name": "usb" if top else self.short(path),
            "ro": False,
            "type": "FOLDER" if path.is_dir() else "PRINT_FILE" if is_printable(path.name) else "FILE",
            "m_timestamp": int(path.stat().st_mtime),
            "display_name": "usb" if top else path.name,
        }
        if not path.is_dir():
            entry["refs"] = {"download": self.short_path(path)}
        return entry


def is_printable(name: str) -> bool:
    """Whether the printer lists and prints a file of this name."""
    return name.lower().endswith(PRINTABLE)


def read_plan(path: Path) -> PlatePlan:
    """What the file needs, from its text, or a binary file's metadata. Raises ProjectError."""
    with path.open("rb") as source:
        head = source.read(_BINARY_HEAD_BYTES)
    if not head.startswith(_BINARY_MAGIC):
        return read_gcode_file(path)
    found = _BINARY_TIME.search(head.decode("latin-1"))
    return PlatePlan(layers=1, seconds=seconds_of(found[1]) if found else _DEFAULT_SECONDS, nozzle=220, bed=60)
