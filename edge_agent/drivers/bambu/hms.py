"""HMS entries and print errors in words.

The six codes of the product's contract have their own description, severity and module; every other code is decoded
as the printer means it (protocol notes, section D), with the raw values always kept.
"""

from dataclasses import dataclass
from typing import Any

VERIFY_FAILED = (0x05000500, 0x00010007)
"""HMS 0500_0500_0001_0007: the printer refused an unsigned command."""

CANCELLED_AT_PRINTER = frozenset({0x0300400C, 0x0500400E})
"""print_error of a cancel by a person, at the printer or by a program."""

PROMPTS = frozenset({83918896, 50364434, 83935249, 134184967})
"""print_error values that are mere prompts."""

START_ERRORS = {
    0x05004003: "the printer could not read the file",
    0x05004004: "the printer was busy",
    0x0500C010: "the printer could not find or read the file",
    0x0500803C: "the file was sliced for another nozzle",
    0x07FF8012: "the AMS mapping does not fit",
}


@dataclass(frozen=True, slots=True)
class HmsEntry:
    """One decoded entry."""

    attr: int
    code: int
    text: str
    description: str
    severity: str
    module: str

    def wire(self) -> dict[str, Any]:
        """As an event's errorData."""
        return {
            "hmsCode": self.text,
            "description": self.description,
            "severity": self.severity,
            "module": self.module,
            "attr": self.attr,
            "code": self.code,
        }


_CONTRACT = {
    "0300_0300_0002_0003": ("hotbed", "critical", "Hotbed heating abnormal"),
    "0500_0200_0001_0001": ("extruder", "error", "Nozzle temperature abnormal"),
    "0500_0300_0002_0001": ("extruder", "critical", "Nozzle heating failed"),
    "0700_0300_0001_0002": ("motion", "error", "Homing failed"),
    "0C00_0100_0001_0001": ("ams", "error", "AMS communication error"),
    "0D00_0200_0001_0001": ("filament", "error", "Filament runout"),
}
_SEVERITIES = {1: "fatal", 2: "serious", 3: "common", 4: "info"}
_MODULES = {
    0x03: "motion_controller",
    0x05: "mainboard",
    0x07: "ams",
    0x08: "toolhead",
    0x0C: "xcam",
    0x12: "ams",
    0x18: "ams_ht",
}


def code_text(attr: int, code: int) -> str:
    """The code as the printer's screen shows it, XXXX_YYYY_ZZZZ_WWWW."""
    return f"{attr >> 16 & 0xFFFF:04X}_{attr & 0xFFFF:04X}_{code >> 16 & 0xFFFF:04X}_{code & 0xFFFF:04X}"


def error_text(print_error: int) -> str:
    """A print_error as the printer's screen shows it, XXXX_YYYY."""
    return f"{print_error >> 16 & 0xFFFF:04X}_{print_error & 0xFFFF:04X}"


def decode(attr: int, code: int) -> HmsEntry:
    """The entry in words; an unknown severity or module is called unknown."""
    text = code_text(attr, code)
    known = _CONTRACT.get(text)
    if known is not None:
        module, severity, description = known
        return HmsEntry(attr, code, text, description, severity, module)
    module = _MODULES.get(attr >> 24 & 0xFF, "unknown")
    severity = _SEVERITIES.get(code >> 16 & 0xFFFF, "unknown")
    return HmsEntry(attr, code, text, f"{module} reports {text}", severity, module)
