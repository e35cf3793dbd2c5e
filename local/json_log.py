"""One JSON object a line on standard output, in Cloud Logging's fields, as the functions themselves log."""

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Literal

_lock = threading.Lock()


def emit(event: str, severity: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO", **fields: Any) -> None:
    """Notes that something happened; `fields` never hold a secret. A field that is None is left out."""
    line = {
        "severity": severity,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "message": event,
        "event": event,
        **{name: value for name, value in fields.items() if value is not None},
    }
    text = json.dumps(line, ensure_ascii=False, default=str) + "\n"
    with _lock:
        sys.stdout.write(text)
        sys.stdout.flush()
