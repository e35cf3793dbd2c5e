"""Which line of G-code may be sent to a printer: one command, on a list, with its values within bounds.

A word is a letter with a number (`S200`) or a letter alone (`X` of `G28 X`). The list is for printers of Marlin's
kind; what changes firmware, settings, files or power is not on it. A deployment may add codes of its own.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

MAX_BYTES = 256
NOZZLE_MAX, BED_MAX, CHAMBER_MAX = 300.0, 120.0, 65.0
"""°C."""
TRAVEL_MAX, EXTRUSION_MAX = 500.0, 200.0
"""mm in one move."""
FEEDRATE_MAX = 30000.0
"""mm/min."""
SPEED_BOUNDS, FLOW_BOUNDS = (10.0, 300.0), (50.0, 200.0)
"""Percent."""

_CODE = re.compile(r"([GMT])([0-9]{1,4})(\.[0-9]{1,2})?", re.IGNORECASE)
_WORD = re.compile(r"([A-Z])([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))?", re.IGNORECASE)
_SECOND_COMMAND = re.compile(r"[GMN][0-9]", re.IGNORECASE)

_Bounds = tuple[float, float]


@dataclass(frozen=True)
class _Rule:
    """What one code may carry: numbers within bounds, flags whose number means nothing, and words it cannot lack."""

    numbers: Mapping[str, _Bounds] = field(default_factory=dict)
    flags: str = ""
    one_of: str = ""


def _heater(highest: float, **more: _Bounds) -> _Rule:
    return _Rule({"S": (0, highest), "R": (0, highest), **more}, one_of="SR")


_AXES: Mapping[str, _Bounds] = dict.fromkeys("XYZ", (-TRAVEL_MAX, TRAVEL_MAX)) | {"E": (-EXTRUSION_MAX, EXTRUSION_MAX)}
_EXTRUDER: _Bounds = (0, 1)
_PAUSE = {"S": (0.0, 60.0), "P": (0.0, 60_000.0)}
_MOVE = _Rule({**_AXES, "F": (1, FEEDRATE_MAX)})
_NOZZLE = _heater(NOZZLE_MAX, T=_EXTRUDER)
_BED, _CHAMBER = _heater(BED_MAX), _heater(CHAMBER_MAX)
_MOTORS_OFF = _Rule({"S": (0, 86_400)}, flags="XYZE")
_PLAIN = _Rule()

_RULES: Mapping[str, _Rule] = {
    "G0": _MOVE,
    "G1": _MOVE,
    "G4": _Rule(_PAUSE, one_of="SP"),
    "G28": _Rule(flags="XYZ"),
    "G90": _PLAIN,
    "G91": _PLAIN,
    "G92": _Rule(_AXES, one_of="XYZE"),
    "M17": _Rule(flags="XYZE"),
    "M18": _MOTORS_OFF,
    "M82": _PLAIN,
    "M83": _PLAIN,
    "M84": _MOTORS_OFF,
    "M104": _NOZZLE,
    "M105": _PLAIN,
    "M106": _Rule({"P": (0, 10), "S": (0, 255)}),
    "M107": _Rule({"P": (0, 10)}),
    "M109": _NOZZLE,
    "M114": _PLAIN,
    "M115": _PLAIN,
    "M140": _BED,
    "M141": _CHAMBER,
    "M190": _BED,
    "M191": _CHAMBER,
    "M220": _Rule({"S": SPEED_BOUNDS}, one_of="S"),
    "M221": _Rule({"S": FLOW_BOUNDS, "T": _EXTRUDER}, one_of="S"),
    "M400": _PLAIN,
}


class Refusal(ValueError):
    """Why a line may not be sent, in words for its sender."""


def code(text: str) -> str:
    """A code as the list has it: `m0104` is `M104`. Raises `Refusal` where it is none."""
    found = _CODE.fullmatch(text)
    if found is None:
        raise Refusal(f"{text[:16]!r} is no G-code command; one is a letter G, M or T and a number")
    return f"{found[1].upper()}{int(found[2])}{found[3] or ''}"


def check(line: str, extra: Collection[str]) -> str:
    """The line, trimmed, if it may be sent; `extra` are the codes that the deployment adds.

    Raises `Refusal`. An added code takes any words; the bounds of those on the list hold nevertheless.
    """
    if not line.isprintable():
        raise Refusal("must be one line without control characters")
    if len(line.encode()) > MAX_BYTES:
        raise Refusal(f"must be at most {MAX_BYTES} bytes")
    if found := next((each for each in ";()*" if each in line), None):
        raise Refusal(f"must not hold {found}: neither comments nor checksums are sent")
    head, *words = line.split() or [""]
    command = code(head)
    if any(_SECOND_COMMAND.match(each) for each in words):
        raise Refusal("must hold one command alone")
    rule = _RULES.get(command)
    if rule is not None:
        _check_words(command, rule, words)
    elif command not in extra:
        raise Refusal(f"{command} is not allowed here")
    return line.strip()


def _check_words(command: str, rule: _Rule, words: list[str]) -> None:
    seen: set[str] = set()
    for each in words:
        found = _WORD.fullmatch(each)
        if found is None:
            raise Refusal(f"{each[:16]!r} is no word of {command}; one is a letter and a number")
        letter, number = found[1].upper(), found[2]
        if letter in seen:
            raise Refusal(f"{command} has {letter} twice")
        seen.add(letter)
        if letter in rule.flags:
            continue
        bounds = rule.numbers.get(letter)
        if bounds is None:
            raise Refusal(f"{command} with {letter} is not allowed here")
        low, high = bounds
        if number is None or not low <= float(number) <= high:
            raise Refusal(f"{letter} of {command} must be a number from {low:g} to {high:g}")
    if rule.one_of and not seen & set(rule.one_of):
        raise Refusal(f"{command} needs {' or '.join(rule.one_of)}")
    if command == "G28" and "Z" in seen and not {"X", "Y"} <= seen:
        raise Refusal("homing Z without X and Y can drive the bed into the toolhead; use G28")
