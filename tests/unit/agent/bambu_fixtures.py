"""Recorded printer payloads, which lie beside the repository; where they are absent the test is skipped."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[4] / "shared" / "fixtures" / "bambu"


def recorded(name: str) -> Any:
    """The recording, or a skip with the reason."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the recorded payloads are not here: {path}")
    return json.loads(path.read_text())
