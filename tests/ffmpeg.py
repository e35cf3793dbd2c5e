"""The program that decodes the cameras' video: this machine's, or the one that a Python package brings."""

import importlib
import os
import shutil
from pathlib import Path

import pytest

PACKAGE = "imageio_ffmpeg"


def ffmpeg() -> str:
    """Its path; the test is skipped where there is none."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        return str(importlib.import_module(PACKAGE).get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        pytest.skip(f"there is neither ffmpeg nor {PACKAGE}")


def path_with_ffmpeg(folder: Path) -> str:
    """A PATH on which it is found by its name."""
    folder.mkdir(exist_ok=True)
    (folder / "ffmpeg").symlink_to(ffmpeg())
    return f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
