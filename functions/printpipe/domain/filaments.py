"""Which filaments a plate needs, which a printer has, and from which spool each is to come."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from printpipe.domain import colors
from printpipe.domain.file_records import Filament, Plate
from printpipe.domain.job_records import Wish
from printpipe.domain.reasons import Reason, ReasonCode, in_order

EXTERNAL = 254
"""The external spool's number among a printer's slots; the others are AMS unit * 4 + tray, and an AMS HT's id."""

_SLOTS = frozenset(range(16)) | frozenset(range(128, 136)) | {EXTERNAL}
"""Four units with four trays, eight AMS HT with one."""

_FILAMENTS = 64
"""The highest number of a filament in a file; the list has a place for each up to the last that is used."""

_UNUSED = -1
_LONGEST = 40
_SEPARATORS = re.compile(r"[\s_-]+")
_ONE_TYPE = {"PET-G": "PETG", "NYLON": "PA", "PLA-PLUS": "PLA+"}
_NO_TYPE = frozenset({"", "?", "-", "NONE", "UNKNOWN", "NULL"})


@dataclass(frozen=True)
class Loaded:
    """One spool at a printer; `remain` in percent, None where it is not measured."""

    slot: int
    type: str | None = None
    color: str | None = None
    remain: float | None = None


@dataclass(frozen=True)
class Needed:
    """One filament that a plate uses; `slot` is its number in the file, from 1. No colour means any."""

    slot: int
    type: str | None = None
    color: str | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is said of it."""
        return self.type is None and self.color is None


@dataclass(frozen=True)
class Feed:
    """Where a print's filaments come from, as its start command says it.

    The mapping's index is the filament's number in the file less one, its value the slot, -1 what the plate does
    not use. Without the AMS it is empty: the external spool.
    """

    ams_mapping: tuple[int, ...]
    use_ams: bool


EXTERNAL_SPOOL = Feed((), use_ams=False)


def type_of(text: Any) -> str | None:
    """A filament's type in its one spelling, None for what names none.

    Case, spaces, `_` and `-` are not told apart ("pla cf" is PLA-CF); PET-G is PETG, nylon is PA, PLA Plus is PLA+.
    Whatever else is added makes another type: neither PLA-CF nor PLA+ nor PLA Silk is PLA.
    """
    if not isinstance(text, str):
        return None
    written = "-".join(part for part in _SEPARATORS.split(text.strip().upper()) if part)[:_LONGEST]
    return None if written in _NO_TYPE else _ONE_TYPE.get(written, written)


def loaded_of(status: Mapping[str, Any]) -> tuple[Loaded, ...] | None:
    """The spools in a status's `loadedFilaments`, by slot; None where it does not say. What makes no sense is skipped.

    An external spool is not weighed: printers report nothing as remaining whatever is left.
    """
    entries = status.get("loadedFilaments")
    if not isinstance(entries, list):
        return None
    found: dict[int, Loaded] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        slot = entry.get("slot")
        if isinstance(slot, int) and not isinstance(slot, bool) and slot in _SLOTS:
            remain = None if slot == EXTERNAL else _percent(entry.get("remain"))
            found.setdefault(slot, Loaded(slot, type_of(entry.get("type")), _color(entry.get("color")), remain))
    return tuple(found[slot] for slot in sorted(found))


def numbered(plate: Plate) -> dict[int, Filament]:
    """What the file says of the plate's filaments, by their numbers there; by their places where it has no numbers."""
    return {each.slot or place: each for place, each in enumerate(plate.filament, 1)}


def needed_of(plate: Plate | None, wishes: Iterable[Wish]) -> tuple[Needed, ...]:
    """What the plate uses, by number; one filament of which nothing is known where nobody says any.

    A wish takes the place of the file's filament of its number: its colour also where it has none, which means any,
    its type where it names one. A wish for a filament that the plate does not use is not heard.
    """
    said = numbered(plate) if plate else {}
    needed = {number: Needed(number, type_of(each.type), _color(each.color)) for number, each in said.items()}
    for wish in wishes:
        if wish.slot in needed or not said:
            own = needed.get(wish.slot)
            type_ = type_of(wish.type) or (own.type if own else None)
            needed[wish.slot] = Needed(wish.slot, type_, _color(wish.color))
    return tuple(needed[number] for number in sorted(needed)) or (Needed(1),)


def resolve(needed: Sequence[Needed], loaded: Sequence[Loaded], use_ams: bool | None) -> Feed | tuple[Reason, ...]:
    """A spool for each filament, of its type and colour, or why there is none.

    `use_ams` False means the external spool, True the AMS; None the AMS first, and the external spool where one
    filament is needed: a print cannot be told to use both. Empty trays do not count. Different filaments get different
    trays as far as there are any; the exact colour goes first, then what is fuller, then the lower slot.
    """
    unknown = [
        Reason(ReasonCode.MATERIAL_UNKNOWN, each.type)
        for each in needed
        if each.is_unknown or not 1 <= each.slot <= _FILAMENTS
    ]
    if unknown or not needed:
        return in_order(unknown or [Reason(ReasonCode.MATERIAL_UNKNOWN)])
    trays = [each for each in loaded if each.slot != EXTERNAL and each.remain != 0]
    external = [each for each in loaded if each.slot == EXTERNAL]
    if use_ams is False:
        return _missing(needed, external) or EXTERNAL_SPOOL
    missing = _missing(needed, trays)
    if not missing:
        return Feed(_mapping(_assigned(needed, trays)), use_ams=True)
    if use_ams is None and len(needed) == 1:
        return _missing(needed, [*trays, *external]) or EXTERNAL_SPOOL
    return missing


def fits(needed: Needed, spool: Loaded) -> bool:
    """Whether the spool is of the type and colour that are needed, as far as they are said."""
    if needed.is_unknown or (needed.type is not None and needed.type != spool.type):
        return False
    return needed.color is None or colors.matches(needed.color, spool.color)


def _missing(needed: Sequence[Needed], spools: Sequence[Loaded]) -> tuple[Reason, ...]:
    reasons = []
    for each in needed:
        if any(fits(each, spool) for spool in spools):
            continue
        if each.type is not None and all(spool.type != each.type for spool in spools):
            reasons.append(Reason(ReasonCode.MATERIAL_MISSING, each.type))
        else:
            reasons.append(Reason(ReasonCode.COLOR_MISSING, " ".join(filter(None, (each.type, each.color)))))
    return in_order(reasons)


def _assigned(needed: Sequence[Needed], trays: Sequence[Loaded]) -> dict[int, int]:
    """A tray's slot for each filament's number: as many different ones as possible, by augmenting paths."""
    choices = {
        each.slot: [tray.slot for tray in sorted(trays, key=lambda tray: _preference(each, tray)) if fits(each, tray)]
        for each in needed
    }
    taken: dict[int, int] = {}

    def place(number: int, tried: set[int]) -> bool:
        for slot in choices[number]:
            if slot not in tried:
                tried.add(slot)
                if slot not in taken or place(taken[slot], tried):
                    taken[slot] = number
                    return True
        return False

    for number in choices:
        place(number, set())
    own = {number: slot for slot, number in taken.items()}
    return {number: own.get(number, slots[0]) for number, slots in choices.items()}


def _preference(needed: Needed, tray: Loaded) -> tuple[bool, float, int]:
    exact = needed.color is not None and colors.is_exact(needed.color, tray.color)
    return not exact, -(tray.remain or 0), tray.slot


def _mapping(slots: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(slots.get(number, _UNUSED) for number in range(1, max(slots) + 1))


def _color(value: Any) -> str | None:
    color = colors.parse(value[:_LONGEST]) if isinstance(value, str) else None
    return color.text if color else None


def _percent(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 100 else None
