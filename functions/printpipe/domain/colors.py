"""Colours of filaments: read as slicers, printers and people write them, and compared.

Written are `#RRGGBB`, with or without `#` and with two more digits for the opacity (a printer's tray), `#RGB`, and
CSS names in any case ("Red", "light blue").
"""

import colorsys
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import webcolors  # type: ignore[import-untyped]  # it carries no types

TOLERANCE = 8
"""How far each of red, green and blue (0 to 255) may be off in the same colour: a rounding, or a tag and a slicer's
palette that disagree about one spool. The most similar two spools of one maker differ by more than twice that."""

_LONGEST = 100
_HEX = re.compile(r"#?([0-9a-f]{6})([0-9a-f]{2})?|#([0-9a-f]{3})")
_INVISIBLE = "00"


@dataclass(frozen=True)
class _Region:
    """Part of a family: hue in degrees (through 0 where the first is larger), saturation and value from 0 to 1.

    A region holds its first hue and not its last, and both ends of the others.
    """

    family: str
    hue: tuple[float, float] = (0, 360)
    saturation: tuple[float, float] = (0, 1)
    value: tuple[float, float] = (0, 1)

    def holds(self, hue: float, saturation: float, value: float) -> bool:
        first, last = self.hue
        inside = first <= hue < last if first < last else hue >= first or hue < last
        return (
            inside
            and self.saturation[0] <= saturation <= self.saturation[1]
            and self.value[0] <= value <= self.value[1]
        )


_WITHOUT_HUE = (
    _Region("black", value=(0, 0.12)),
    _Region("black", saturation=(0, 0.35), value=(0, 0.22)),
    _Region("grey", saturation=(0, 0.25), value=(0.22, 0.5)),
    _Region("grey", saturation=(0, 0.23), value=(0.5, 0.65)),
    _Region("grey", saturation=(0, 0.13), value=(0.65, 0.9)),
    _Region("white", saturation=(0, 0.12), value=(0.9, 1)),
)
_WITH_HUE = (
    _Region("red", (346, 10), saturation=(0.45, 1)),
    _Region("red", (346, 10), value=(0, 0.75)),
    _Region("pink", (346, 10), saturation=(0, 0.45), value=(0.75, 1)),
    _Region("brown", (10, 55), value=(0, 0.72)),
    _Region("brown", (10, 50), saturation=(0, 0.45), value=(0.72, 1)),
    _Region("orange", (10, 40), saturation=(0.45, 1), value=(0.72, 1)),
    _Region("yellow", (40, 50), saturation=(0.45, 1), value=(0.72, 1)),
    _Region("yellow", (50, 63), value=(0.72, 1)),
    _Region("green", (55, 63), value=(0, 0.72)),
    _Region("green", (63, 165)),
    _Region("cyan", (165, 204.5)),
    _Region("blue", (190, 245)),
    _Region("purple", (245, 300)),
    _Region("pink", (295, 346), value=(0.65, 1)),
    _Region("purple", (300, 346), value=(0, 0.65)),
)
"""Looked at only where no region without a hue holds the colour. They overlap where makers disagree: the same shade is
sold as cyan and as blue."""

FAMILIES = frozenset(region.family for region in _WITHOUT_HUE + _WITH_HUE)
"""The basic colours, and the names that mean every colour of their kind."""

_OTHER_NAMES = {"gray": "grey", "violet": "purple", "magenta": "pink", "fuchsia": "pink", "aqua": "cyan"}


@dataclass(frozen=True)
class Color:
    """A colour that was read. `rgb` is None for a name that nobody knows; `named` tells a name from a code."""

    text: str
    rgb: tuple[int, int, int] | None
    named: bool
    families: frozenset[str]


def code_of(text: str | None) -> str | None:
    """`#RRGGBB` of a colour that is known; None of any other."""
    color = parse(text)
    return "#{:02X}{:02X}{:02X}".format(*color.rgb) if color and color.rgb else None


@lru_cache(maxsize=1024)
def parse(text: str | None) -> Color | None:
    """The colour; None where none is given, and for one without opacity, as printers show an unknown spool."""
    written = " ".join((text or "").split())[:_LONGEST]
    if not written:
        return None
    if found := _HEX.fullmatch(written.lower()):
        if found[2] == _INVISIBLE:
            return None
        digits = found[1] or "".join(2 * digit for digit in found[3])
        rgb = (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))
        return Color(f"#{digits.upper()}", rgb, named=False, families=families(rgb))
    name = "".join(letter for letter in written.lower() if letter not in " -_")
    name = _OTHER_NAMES.get(name, name)
    try:
        shown = webcolors.name_to_rgb(name)
    except ValueError:
        return Color(written, None, named=True, families=frozenset())
    rgb = (shown.red, shown.green, shown.blue)
    return Color(written, rgb, named=True, families=frozenset({name}) if name in FAMILIES else families(rgb))


def families(rgb: tuple[int, int, int]) -> frozenset[str]:
    """The basic colours that this one is called by, at least one; parts from 0 to 255."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in rgb))
    return frozenset(_held(_WITHOUT_HUE, hue * 360, saturation, value)) or frozenset(
        _held(_WITH_HUE, hue * 360, saturation, value)
    )


def matches(wanted: str, shown: str | None) -> bool:
    """Whether a spool that shows one colour may be used where the other is wanted.

    A code wants that colour, a name any colour of its family; a name that nobody knows wants the same text.
    """
    asked, seen = parse(wanted), parse(shown)
    if asked is None or seen is None:
        return False
    if asked.rgb is None or seen.rgb is None:
        return asked.text.lower() == seen.text.lower()
    if _close(asked.rgb, seen.rgb):
        return True
    return asked.named and bool(asked.families & seen.families)


def is_exact(wanted: str, shown: str | None) -> bool:
    """Whether both are one colour, to the last digit."""
    asked, seen = parse(wanted), parse(shown)
    if asked is None or seen is None:
        return False
    return asked.text.lower() == seen.text.lower() or (asked.rgb is not None and asked.rgb == seen.rgb)


def _held(regions: tuple[_Region, ...], hue: float, saturation: float, value: float) -> Iterator[str]:
    return (region.family for region in regions if region.holds(hue, saturation, value))


def _close(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return all(abs(left - right) <= TOLERANCE for left, right in zip(one, other, strict=True))
