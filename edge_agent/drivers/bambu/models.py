"""What a Bambu model can do, by the first three characters of its serial.

Limits, fans and calibrations are those of the maker's own profiles, volumes those of its slicer. A serial that is not
listed is taken for a printer that has no more than every model has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FanName = Literal["part", "aux", "aux2", "chamber"]
Calibration = Literal["bed_level", "vibration", "motor_noise", "nozzle_offset"]
AmsKind = Literal["ams", "ams_2_pro", "ams_ht", "ams_lite"]

PREFIX_LENGTH = 3
_CHAMBER_LIGHT = "chamber_light"


@dataclass(frozen=True, slots=True)
class ChamberHeater:
    """`limit` in °C. `air_duct`: the air duct has to be switched to heating for it, and back."""

    limit: int
    air_duct: bool


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One model: limits in °C, the printable volume in mm, its fans with their numbers in `M106 P…`.

    `lights` are the nodes of its lamps, `ams` the kinds that can be attached. A printer with two nozzles counts them
    from the right one, 0. Whether objects can be skipped is not the model's but its firmware's to say.
    """

    name: str
    volume: tuple[float, float, float]
    fans: Mapping[FanName, int]
    ams: frozenset[AmsKind]
    nozzle_limit: int = 300
    bed_limit: int = 100
    nozzles: int = 1
    chamber_sensor: bool = False
    chamber_heater: ChamberHeater | None = None
    lights: tuple[str, ...] = (_CHAMBER_LIGHT,)
    camera: Literal["jpeg", "rtsps"] = "jpeg"
    calibrations: frozenset[Calibration] = frozenset({"bed_level", "vibration"})


_PART: Mapping[FanName, int] = {"part": 1}
_THREE: Mapping[FanName, int] = {"part": 1, "aux": 2, "chamber": 3}
_FOUR: Mapping[FanName, int] = {**_THREE, "aux2": 10}
"""H2, P2S and X2D have a second auxiliary fan, where it is fitted."""

_DRAWERS: frozenset[AmsKind] = frozenset({"ams", "ams_2_pro", "ams_ht"})
_LITE: frozenset[AmsKind] = frozenset({"ams_lite"})
_ALWAYS: frozenset[Calibration] = frozenset({"bed_level", "vibration"})
_CUBE = (256.0, 256.0, 256.0)
_TWO_LIGHTS = (_CHAMBER_LIGHT, "chamber_light2")
_H2_HEATER = ChamberHeater(65, air_duct=True)


def _p1(name: str) -> Capabilities:
    return Capabilities(name, _CUBE, _THREE, _DRAWERS)


def _a(name: str, volume: tuple[float, float, float], ams: frozenset[AmsKind], bed_limit: int) -> Capabilities:
    return Capabilities(name, volume, _PART, ams, bed_limit=bed_limit, calibrations=_ALWAYS | {"motor_noise"})


def _x1(name: str, *, nozzle_limit: int = 300, heater: ChamberHeater | None = None) -> Capabilities:
    return Capabilities(
        name,
        _CUBE,
        _THREE,
        _DRAWERS,
        nozzle_limit=nozzle_limit,
        bed_limit=110,
        chamber_sensor=True,
        chamber_heater=heater,
        camera="rtsps",
    )


def _h2(name: str, volume: tuple[float, float, float], *, nozzles: int) -> Capabilities:
    return Capabilities(
        name,
        volume,
        _FOUR,
        _DRAWERS,
        nozzle_limit=350,
        bed_limit=120,
        nozzles=nozzles,
        chamber_sensor=True,
        chamber_heater=_H2_HEATER,
        lights=_TWO_LIGHTS,
        camera="rtsps",
        calibrations=_ALWAYS if nozzles == 1 else _ALWAYS | {"nozzle_offset"},
    )


MODELS: Mapping[str, Capabilities] = {
    "00M": _x1("X1C"),
    "03W": _x1("X1E", nozzle_limit=320, heater=ChamberHeater(60, air_duct=False)),
    "01S": _p1("P1P"),
    "01P": _p1("P1S"),
    "22E": Capabilities(
        "P2S", _CUBE, _FOUR, _DRAWERS, bed_limit=110, chamber_sensor=True, camera="rtsps", calibrations=_ALWAYS
    ),
    "039": _a("A1", _CUBE, _LITE, 100),
    "030": _a("A1 mini", (180.0, 180.0, 180.0), _LITE, 80),
    "26A": _a("A2L", (330.0, 320.0, 325.0), _DRAWERS | _LITE, 80),
    "20P": Capabilities(
        "X2D",
        (256.0, 256.0, 261.0),
        _FOUR,
        _DRAWERS,
        bed_limit=120,
        nozzles=2,
        chamber_sensor=True,
        chamber_heater=_H2_HEATER,
        camera="rtsps",
        calibrations=_ALWAYS | {"nozzle_offset"},
    ),
    "093": _h2("H2S", (340.0, 320.0, 340.0), nozzles=1),
    "094": _h2("H2D", (350.0, 320.0, 325.0), nozzles=2),
    "239": _h2("H2D Pro", (350.0, 320.0, 325.0), nozzles=2),
    "31B": _h2("H2C", (330.0, 320.0, 325.0), nozzles=2),
}
"""By serial prefix (protocol notes, section A)."""

UNKNOWN = Capabilities(
    "unknown", (180.0, 180.0, 180.0), _PART, _DRAWERS | _LITE, bed_limit=80, calibrations=frozenset()
)
"""What is assumed of a printer whose serial is not listed. Which AMS it has is left to its report."""


def capabilities(serial: str) -> Capabilities:
    """What the printer with this serial can do."""
    return MODELS.get(serial[:PREFIX_LENGTH], UNKNOWN)


def has_chamber_heater(serial: str) -> bool:
    """Whether the chamber can be heated."""
    return capabilities(serial).chamber_heater is not None


def has_chamber_sensor(serial: str) -> bool:
    """Whether the reported chamber temperature is real."""
    return capabilities(serial).chamber_sensor
