"""Writes the configuration file: whole or not at all, and for its owner's eyes alone."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Put `content` in the place of what the file held, with mode 600; the owner stays. Raises OSError."""
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
            _keep_owner(path, file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _settle(path.parent)


def _keep_owner(path: Path, descriptor: int) -> None:
    """Root may change the file of the user that the agent runs as, who must still be able to read it."""
    if os.geteuid() == 0:
        about = (path if path.exists() else path.parent).stat()
        os.fchown(descriptor, about.st_uid, about.st_gid)


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
