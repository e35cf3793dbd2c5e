"""The merged picture of a printer: full frames replace it, deltas are merged deeply.

Lists whose elements carry an `id` (ams, tray, vir_slot, extruder.info) merge by that id; a tray reported by its id
alone has become empty; every other list (hms, lights_report) is replaced. Source: protocol notes, section J, 1.
"""

from collections.abc import Mapping
from typing import Any

FULL_FRAME_FIELDS = 30
"""A frame without `msg` that has a state and at least this many fields is taken as full (X1, H2)."""


def is_full(frame: Mapping[str, Any]) -> bool:
    """Whether the frame is a full snapshot: msg 0, or no msg but everything there."""
    kind = frame.get("msg")
    if kind is None:
        return "gcode_state" in frame and len(frame) >= FULL_FRAME_FIELDS
    return str(kind) == "0"


def merge(known: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """The picture after the delta; neither argument is changed."""
    result = dict(known)
    for name, value in delta.items():
        result[name] = _merged(name, result.get(name), value)
    return result


def _merged(name: str, old: Any, new: Any) -> Any:
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return merge(old, new)
    if isinstance(new, list) and isinstance(old, list) and _all_with_id(new) and _all_with_id(old):
        return _merged_by_id(name, old, new)
    return new


def _all_with_id(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, Mapping) and "id" in item for item in items)


def _merged_by_id(name: str, old: list[Any], new: list[Any]) -> list[Any]:
    result = {str(item["id"]): item for item in old}
    for item in new:
        key = str(item["id"])
        emptied = name == "tray" and not (item.keys() - {"id", "state"})
        result[key] = dict(item) if emptied or key not in result else merge(result[key], item)
    return list(result.values())
