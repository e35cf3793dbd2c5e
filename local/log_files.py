"""The children's JSON logs: read whole, or the end of one for an error message."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def records(path: Path) -> Iterator[Mapping[str, Any]]:
    """The JSON objects among the file's lines, in order; other lines (a Java stack, say) and a torn last one are
    passed over."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("{"):
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


def last_lines(path: Path, count: int = 12) -> str:
    """The end of the file, for a person."""
    if not path.exists():
        return "(no log)"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    return "\n".join(lines) or "(the log is empty)"
