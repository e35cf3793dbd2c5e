"""HMS codes in words, for programs beside the agent: from the text that people copy, or from a report."""

import re
from collections.abc import Mapping
from typing import Any

from edge_agent.drivers.bambu.hms import HmsEntry, decode

HMS_MODULES: Mapping[str, str] = {
    "0300": "hotbed",
    "0500": "extruder",
    "0700": "motion",
    "0C00": "ams",
    "0D00": "filament",
    "1200": "chamber",
}
"""The contract's word for a code's first group. Printers mean other modules by it: it holds for `KNOWN_CODES` alone."""

KNOWN_CODES = (
    "0300_0300_0002_0003",
    "0500_0200_0001_0001",
    "0500_0300_0002_0001",
    "0700_0300_0001_0002",
    "0C00_0100_0001_0001",
    "0D00_0200_0001_0001",
)
"""The codes whose module, severity and description the contract gives."""

_CODE = re.compile(r"(?:HMS[_-])?" + "[_-]".join([r"([0-9A-F]{4})"] * 4), re.IGNORECASE)


def parse_hms_code(text: str) -> HmsEntry:
    """The entry of `XXXX_YYYY_ZZZZ_WWWW`, also with hyphens and behind `HMS_`. Raises ValueError for another text."""
    found = _CODE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not an HMS code: {text[:40]!r}")
    first, second, third, fourth = (int(group, 16) for group in found.groups())
    return decode(first << 16 | second, third << 16 | fourth)


def describe_hms_code(text: str) -> dict[str, Any]:
    """The code as an event's `error_data`: hmsCode, description, severity, module, attr, code. Raises ValueError."""
    return parse_hms_code(text).wire()


def hms_errors(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The `error_data` of each entry in a printer's report, the `print` object of what it sends over MQTT.

    What is no entry is left out.
    """
    entries = report.get("hms")
    found = entries if isinstance(entries, list) else []
    return [decode(each["attr"], each["code"]).wire() for each in found if _is_entry(each)]


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and all(type(value.get(name)) is int for name in ("attr", "code"))
