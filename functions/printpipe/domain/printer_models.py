"""Printer models: one name for each machine, whatever people, slicers and makers call it.

The makers' own ids stand in slice results (`printer_model_id`) and in what printers announce; names and build volumes
are those of the makers' slicer profiles. A model that is not listed is known by its text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from printpipe.domain.printer_records import BuildVolume

_BAMBU = "Bambu Lab"
_PRUSA = "Prusa"

_MAKERS: Mapping[str, str] = {
    "bambulab": _BAMBU,
    "bambu": _BAMBU,
    "bbl": _BAMBU,
    "originalprusa": _PRUSA,
    "prusaresearch": _PRUSA,
    "prusa3d": _PRUSA,
    "prusa": _PRUSA,
}
"""How makers are written, without spaces; a longer word stands before the shorter ones that it begins with."""


@dataclass(frozen=True)
class Machine:
    """One machine. `names` are other ways to write it and `ids` its maker's own, both without spaces and in lower case.

    `volume` is what may be printed on it: width, depth and height in mm.
    """

    name: str
    maker: str
    volume: tuple[float, float, float]
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


_CUBE_256 = (256.0, 256.0, 256.0)
_I3 = (250.0, 210.0, 210.0)
_MK4 = (250.0, 210.0, 220.0)
_CORE_ONE = (250.0, 220.0, 270.0)
_XL = (360.0, 360.0, 360.0)

MACHINES: tuple[Machine, ...] = (
    Machine("X1C", _BAMBU, _CUBE_256, ("x1carbon",), ("blp001", "3dprinterx1carbon")),
    Machine("X1", _BAMBU, _CUBE_256, (), ("blp002", "3dprinterx1")),
    Machine("X1E", _BAMBU, _CUBE_256, (), ("c13",)),
    Machine("P1P", _BAMBU, _CUBE_256, (), ("c11",)),
    Machine("P1S", _BAMBU, _CUBE_256, (), ("c12",)),
    Machine("P2S", _BAMBU, _CUBE_256, (), ("n7",)),
    Machine("A1", _BAMBU, _CUBE_256, (), ("n2s",)),
    Machine("A1 mini", _BAMBU, (180.0, 180.0, 180.0), ("a1m",), ("n1",)),
    Machine("A2L", _BAMBU, (330.0, 320.0, 325.0), (), ("n9",)),
    Machine("X2D", _BAMBU, (256.0, 256.0, 261.0), (), ("n6",)),
    Machine("H2S", _BAMBU, (340.0, 320.0, 340.0), (), ("o1s",)),
    Machine("H2D", _BAMBU, (350.0, 320.0, 325.0), (), ("o1d",)),
    Machine("H2D Pro", _BAMBU, (350.0, 320.0, 325.0), (), ("o1e",)),
    Machine("H2C", _BAMBU, (330.0, 320.0, 325.0), (), ("o1c", "o1c2")),
    Machine("CORE One", _PRUSA, _CORE_ONE, ("coreone+", "coreone&coreone+")),
    Machine("CORE One MMU3", _PRUSA, _CORE_ONE),
    Machine("CORE One L", _PRUSA, (300.0, 300.0, 330.0)),
    Machine("MK4S", _PRUSA, _MK4),
    Machine("MK4S MMU3", _PRUSA, _MK4),
    Machine("MK4", _PRUSA, _MK4, ("mk4is",)),
    Machine("MK4 MMU3", _PRUSA, _MK4, ("mk4ismmu3",)),
    Machine("MK3.9S", _PRUSA, _MK4),
    Machine("MK3.9S MMU3", _PRUSA, _MK4),
    Machine("MK3.9", _PRUSA, _MK4),
    Machine("MK3.9 MMU3", _PRUSA, _MK4),
    Machine("MK3.5", _PRUSA, _I3, ("mk3.5s", "mk3.5&mk3.5s")),
    Machine("MK3.5 MMU3", _PRUSA, _I3, ("mk3.5smmu3", "mk3.5&mk3.5smmu3")),
    Machine("MK3S+", _PRUSA, _I3, ("mk3s", "mk3s&mk3s+")),
    Machine("MK3S+ MMU3", _PRUSA, _I3, ("mk3smmu3", "mk3s&mk3s+mmu3")),
    Machine("MK3S+ MMU2S", _PRUSA, _I3, ("mk3smmu2s", "mk3s&mk3s+mmu2s")),
    Machine("MK3", _PRUSA, _I3),
    Machine("MK3 MMU2", _PRUSA, _I3),
    Machine("MINI", _PRUSA, (180.0, 180.0, 180.0), ("mini+", "mini&mini+", "miniis")),
    Machine("XL", _PRUSA, _XL, ("xlis",)),
    Machine("XL 2T", _PRUSA, _XL, ("xl2", "xl2is")),
    Machine("XL 5T", _PRUSA, _XL, ("xl5", "xl5is")),
)

SERIES: Mapping[str, tuple[str, ...]] = {
    "x1": ("X1", "X1C"),
    "x1series": ("X1", "X1C", "X1E"),
    "p1": ("P1P", "P1S"),
    "p1series": ("P1P", "P1S"),
    "a1series": ("A1", "A1 mini"),
    "h2": ("H2S", "H2D", "H2D Pro", "H2C"),
    "h2series": ("H2S", "H2D", "H2D Pro", "H2C"),
    "mk4series": ("MK4", "MK4S"),
}
"""What is written where any of several machines may be meant: many call an X1C an X1."""


@dataclass(frozen=True)
class Model:
    """A model that was named: `machines` are the listed ones that it may be, or its text where none is.

    `label` is its short name, or what was written.
    """

    label: str
    machines: frozenset[str]
    volume: BuildVolume | None = None


_LONGEST = 100
_KEPT = re.compile(r"[^a-z0-9.+&]+")
_ADDED = re.compile(r"\b(?:hf ?)?[0-9]\.[0-9]{1,2} ?(?:mm ?)?nozzle\b|\binput shaper\b")
_OLD_SERIES = "i3"
_SUBSERIES = "v2"

_BY_NAME = {_KEPT.sub("", name.lower()): machine for machine in MACHINES for name in (machine.name, *machine.names)}
_BY_ID = {id_: machine for machine in MACHINES for id_ in machine.ids}
_BY_LABEL = {machine.name: machine for machine in MACHINES}


def model_of(text: str | None, brand: str | None = None) -> Model | None:
    """The model of a printer that is described by `text`, and by its maker's name where that is told; None for nothing.

    The maker may stand in the text as well. One who makes none of the listed machines keeps a text from being taken
    for one of them.
    """
    written = " ".join((text or "")[:_LONGEST].split())
    plain, maker = _without_maker(_key(written))
    told = _key((brand or "")[:_LONGEST])
    if not plain:
        return None
    maker = maker or next((name for word, name in _MAKERS.items() if told.startswith(word)), told) or None
    if plain in SERIES and maker in (None, _BAMBU, _PRUSA):
        return _one_of(plain.removesuffix("series").upper(), SERIES[plain])
    machine = _BY_NAME.get(plain) or _BY_ID.get(plain)
    if machine and maker in (None, machine.maker):
        return _one_of(machine.name, (machine.name,))
    prefix = maker.lower().replace(" ", "") if maker else ""
    return Model(written, frozenset({plain if plain.startswith(prefix) else f"{prefix}{plain}"}))


def model_of_file(printer_model: str | None, printer_model_id: str | None) -> Model | None:
    """The model that a plate was sliced for, by the maker's id where that is known, else by the slicer's name."""
    machine = _BY_ID.get(_key((printer_model_id or "")[:_LONGEST]).removesuffix(_SUBSERIES))
    if machine:
        return _one_of(machine.name, (machine.name,))
    return model_of(printer_model) or model_of(printer_model_id)


def maker_of(brand: str | None, model: str | None) -> str | None:
    """Who makes a printer that is described so, in the maker's one spelling; None for one that makes nothing listed."""
    told = _key((brand or "")[:_LONGEST])
    if told:
        return next((name for word, name in _MAKERS.items() if told.startswith(word)), None)
    found = model_of(model)
    makers = {machine.maker for machine in MACHINES if found and machine.name in found.machines}
    return makers.pop() if len(makers) == 1 else _without_maker(_key((model or "")[:_LONGEST]))[1]


def same_machine(one: Model, other: Model) -> bool | None:
    """Whether both are the same machine; None where that cannot be told.

    Texts are the same where they are, or where one only adds a maker in front.
    """
    if one.machines == other.machines:
        return True
    if one.machines & other.machines:
        return None
    (left, *_), (right, *_) = sorted(one.machines), sorted(other.machines)
    unlisted = left not in _BY_LABEL and right not in _BY_LABEL
    return None if unlisted and (left.endswith(right) or right.endswith(left)) else False


def _key(text: str) -> str:
    return _KEPT.sub("", _ADDED.sub("", text.lower().strip()).replace("&&", "&"))


def _without_maker(key: str) -> tuple[str, str | None]:
    for word, maker in _MAKERS.items():
        if key.startswith(word) and key != word:
            plain = key.removeprefix(word)
            return (plain.removeprefix(_OLD_SERIES) if maker == _PRUSA else plain), maker
    return (key.removeprefix(_OLD_SERIES) if key.startswith(_OLD_SERIES + "mk") else key), None


def _one_of(label: str, names: tuple[str, ...]) -> Model:
    """The machines, and the room that there is on each of them."""
    volumes = [_BY_LABEL[name].volume for name in names]
    x, y, z = (min(sizes) for sizes in zip(*volumes, strict=True))
    return Model(label, frozenset(names), BuildVolume(x=x, y=y, z=z))
