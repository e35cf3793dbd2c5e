"""Lines of G-code that a simulated printer is sent."""

import re

from local.simulator.machine import Machine
from local.simulator.mechanics import ALL_AXES, AXES

_Words = dict[str, float | None]

_WORD = re.compile(r"([A-Z])\s*(-?\d{1,9}(?:\.\d{1,9})?)?")
FANS = {1: "part", 2: "aux", 3: "chamber", 10: "aux2"}
"""The fans by their number in `M106 P…`."""


def run_lines(machine: Machine, text: str) -> None:
    """Run every line; comments are left out.

    Heaters, fans, the air duct, homing, relative moves and switching the motors off have their effect; the rest is
    taken without one. A move counts only after G91, for lines come without any state of earlier ones.
    """
    relative = False
    for line in text.splitlines():
        command, _, tail = line.split(";")[0].strip().upper().partition(" ")
        words = {letter: float(value) if value else None for letter, value in _WORD.findall(tail)}
        if command in ("G90", "G91"):
            relative = command == "G91"
        elif command in ("G0", "G1"):
            _move(machine, words, relative=relative)
        else:
            _run(machine, command, words)


def _run(machine: Machine, command: str, words: _Words) -> None:
    amount = words.get("S") or 0.0
    match command:
        case "M104" | "M109":
            machine.heat_nozzle(amount, int(words.get("T") or 0))
        case "M140" | "M190":
            machine.bed.set(amount)
        case "M141" | "M191":
            machine.heat_chamber(amount)
        case "M145":
            machine.air_duct_heats = bool(words.get("P"))
        case "M106":
            _set_fan(machine, words, round(min(max(amount, 0.0), 255.0)))
        case "M107":
            _set_fan(machine, words, 0)
        case "G28":
            machine.home(sum(bit for letter, bit in AXES.items() if letter in words) or ALL_AXES)
        case "M84" | "M18":
            machine.release_motors()


def _set_fan(machine: Machine, words: _Words, value: int) -> None:
    number = int(words.get("P") or 1)
    if number in machine.model.fans and (fan := FANS.get(number)):
        setattr(machine.fans, fan, value)


def _move(machine: Machine, words: _Words, *, relative: bool) -> None:
    for axis in AXES:
        distance = words.get(axis)
        if relative and distance:
            machine.move(axis, distance)
