"""HMS codes and print errors in words.

Six codes have a module, a severity and a description that the product's contract gives. Every other code is read as
printers mean it (protocol notes, section D). The raw values are kept in either case.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

_CODE = re.compile(r"(?:HMS[_-])?" + r"[_-]".join([r"([0-9A-F]{4})"] * 4), re.IGNORECASE)
_PRINT_ERROR = re.compile(r"([0-9A-F]{4})[_-]([0-9A-F]{4})", re.IGNORECASE)
_MAX_WORD = 0xFFFF_FFFF

_CONTRACT_MODULES: Mapping[str, str] = {
    "0300": "hotbed",
    "0500": "extruder",
    "0700": "motion",
    "0C00": "ams",
    "0D00": "filament",
    "1200": "chamber",
}
"""The contract's words for a code's first group; printers use other ones, so they count for its six codes alone."""

_CONTRACT: Mapping[str, tuple[str, str]] = {
    "0300_0300_0002_0003": ("critical", "Hotbed heating abnormal"),
    "0500_0200_0001_0001": ("error", "Nozzle temperature abnormal"),
    "0500_0300_0002_0001": ("critical", "Nozzle heating failed"),
    "0700_0300_0001_0002": ("error", "Homing failed"),
    "0C00_0100_0001_0001": ("error", "AMS communication error"),
    "0D00_0200_0001_0001": ("error", "Filament runout"),
}

_MODULES: Mapping[int, str] = {
    0x03: "motion_controller",
    0x05: "mainboard",
    0x07: "ams",
    0x08: "toolhead",
    0x0C: "xcam",
    0x12: "ams",
    0x18: "ams_ht",
}
"""By the highest byte of `attr`."""

_SEVERITIES: Mapping[int, str] = {1: "fatal", 2: "serious", 3: "common", 4: "info"}
"""By the upper half of `code`."""

_UNKNOWN = "unknown"
_NAMES = ("hmsCode", "hms_code", "errorCode", "error_code", "code")
"""Under which of these a client's errorData tells the code, as a text."""


class HmsEntry(BaseModel):
    """One decoded code. `attr` and `code` are the printer's two raw words; a print error has one, in `print_error`."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True)

    hms_code: str
    module: str
    severity: str
    description: str | None = None
    attr: int | None = None
    code: int | None = None
    print_error: int | None = None
    unit: int
    part: int

    def data(self) -> dict[str, Any]:
        """As it is stored."""
        return self.model_dump(by_alias=True)


def of_words(attr: int, code: int) -> HmsEntry | None:
    """The entry of a printer's two words; None where they are no 32-bit words."""
    if not (0 <= attr <= _MAX_WORD and 0 <= code <= _MAX_WORD):
        return None
    groups = (attr >> 16, attr & 0xFFFF, code >> 16, code & 0xFFFF)
    text = "_".join(f"{group:04X}" for group in groups)
    module, severity, description = _MODULES.get(attr >> 24, _UNKNOWN), _SEVERITIES.get(code >> 16, _UNKNOWN), None
    if text in _CONTRACT:
        module = _CONTRACT_MODULES[text[:4]]
        severity, description = _CONTRACT[text]
    return HmsEntry(
        hms_code=text,
        module=module,
        severity=severity,
        description=description,
        attr=attr,
        code=code,
        unit=attr >> 16 & 0xFF,
        part=attr >> 8 & 0xFF,
    )


def of_print_error(error: int) -> HmsEntry | None:
    """The entry of a `print_error`, which tells a module but no severity; None where it is no 32-bit word."""
    if not 0 < error <= _MAX_WORD:
        return None
    return HmsEntry(
        hms_code=f"{error >> 16:04X}_{error & 0xFFFF:04X}",
        module=_MODULES.get(error >> 24, _UNKNOWN),
        severity=_UNKNOWN,
        print_error=error,
        unit=error >> 16 & 0xFF,
        part=error >> 8 & 0xFF,
    )


def of_text(text: str) -> HmsEntry | None:
    """The entry of `XXXX_YYYY_ZZZZ_WWWW`, also with hyphens and behind `HMS_`, as people copy it; None for another."""
    found = _CODE.fullmatch(text.strip())
    if found is None:
        return None
    groups = [int(group, 16) for group in found.groups()]
    return of_words(groups[0] << 16 | groups[1], groups[2] << 16 | groups[3])


def of_report(told: Mapping[str, Any]) -> HmsEntry | None:
    """The entry that a client's errorData is about: by its text, a print error's too, else by `attr` and `code`."""
    for name in _NAMES:
        text = told.get(name)
        if isinstance(text, str) and (entry := of_text(text) or _print_error_text(text)):
            return entry
    attr, code = told.get("attr"), told.get("code")
    if isinstance(attr, int) and isinstance(code, int) and not isinstance(attr, bool) and not isinstance(code, bool):
        return of_words(attr, code)
    return None


def _print_error_text(text: str) -> HmsEntry | None:
    found = _PRINT_ERROR.fullmatch(text.strip())
    return of_print_error(int(found[1], 16) << 16 | int(found[2], 16)) if found else None
