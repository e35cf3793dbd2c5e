"""A printer's status in the names of the dialect `printpro`.

Statuses are stored in the names of the dialect `cloud`, whichever client reports them: what is missing, or is not what
its name promises, is null here.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.filaments import Loaded, loaded_of
from printpipe.domain.printer_status import activity, meaning_of
from printpipe.domain.values import WithoutFraction

HOTTEST = 2000.0
"""°C, also below zero."""

FASTEST = 1000.0
"""Percent of a printer's usual speed."""

MOST_LAYERS = 10_000_000
LONGEST_PRINT = 10 * 366 * 24 * 3600
"""Seconds."""

Percent = Annotated[float, Field(ge=0, le=100)]
Speed = Annotated[float, Field(ge=0, le=FASTEST)]
Temperature = Annotated[float, Field(ge=-HOTTEST, le=HOTTEST)]
Layers = Annotated[int, Field(ge=0, le=MOST_LAYERS), WithoutFraction]
Seconds = Annotated[int, Field(ge=0, le=LONGEST_PRINT), WithoutFraction]

_LONGEST = 255
_LONGEST_TEXT = 4096
_STATE = "state"


class LoadedFilament(printpro.Part):
    """A spool at the printer."""

    slot: int = Field(description="AMS unit * 4 + tray; 254 is the external spool")
    type: str | None
    color: str | None = Field(description="#RRGGBB")
    remaining_percentage: float | None


class LiveStatus(printpro.Part):
    """What the printer said of its work last: percent, seconds, °C."""

    progress_percentage: float | None
    current_layer: int | None
    total_layers: int | None
    nozzle_temp_current: float | None
    nozzle_temp_target: float | None
    bed_temp_current: float | None
    bed_temp_target: float | None
    chamber_temp_current: float | None
    chamber_temp_target: float | None
    time_remaining_seconds: int | None
    print_speed_percentage: float | None
    fan_speed_percentage: float | None
    current_job_id: str | None
    file_name: str | None
    error_message: str | None
    loaded_filaments: list[LoadedFilament] | None = Field(description="null where the printer does not say")


def live(status: Mapping[str, Any]) -> LiveStatus:
    """A stored status in this dialect's names."""
    loaded = loaded_of(status)
    filaments = None if loaded is None else [_filament(each) for each in loaded]
    readings = {name: reading.of(status) for name, reading in _READINGS.items()}
    return LiveStatus(**readings, loaded_filaments=filaments)


def word(status: Mapping[str, Any]) -> str:
    """What a stored status shows the printer to do, in the words of `GET /api/printers`.

    A word that nobody knows is shown as it was reported; `unknown` where there is none.
    """
    doing = activity(status)
    return (reported_word(status) or doing) if doing == "unknown" else doing


def reported_word(status: Mapping[str, Any]) -> str | None:
    """The word that the printer's client stored for what the printer does."""
    return _word(status.get(_STATE))


def stored(state: str | None, readings: Mapping[str, Any]) -> dict[str, Any]:
    """What is told in this dialect's names, as it is stored; None is left out.

    A state that has a name there is stored under that: `error` is failed.
    """
    told = {_STATE: (meaning_of(state) or state) if state else None}
    told |= {reading.names[0]: readings.get(name) for name, reading in _READINGS.items()}
    return {name: value for name, value in told.items() if value is not None}


def _filament(spool: Loaded) -> LoadedFilament:
    return LoadedFilament(slot=spool.slot, type=spool.type, color=spool.color, remaining_percentage=spool.remain)


def _number(value: Any, least: float, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        return None
    return float(value)


def _whole(value: Any, most: int) -> int | None:
    number = _number(value, 0, most)
    return None if number is None else math.floor(number)


def _percent(value: Any) -> float | None:
    return _number(value, 0, 100)


def _speed(value: Any) -> float | None:
    return _number(value, 0, FASTEST)


def _layers(value: Any) -> int | None:
    return _whole(value, MOST_LAYERS)


def _seconds(value: Any) -> int | None:
    return _whole(value, LONGEST_PRINT)


def _temperature(value: Any) -> float | None:
    return _number(value, -HOTTEST, HOTTEST)


def _word(value: Any) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value else None


def _text(value: Any) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) and value else None


@dataclass(frozen=True)
class _Reading:
    """One of a status's readings: the names under which clients store it, ours first, and how it is read."""

    names: tuple[str, ...]
    read: Callable[[Any], Any]

    def of(self, status: Mapping[str, Any]) -> Any:
        """What stands under the first of these names that holds something sensible."""
        return next((found for name in self.names if (found := self.read(status.get(name))) is not None), None)


_READINGS: Mapping[str, _Reading] = {
    "progress_percentage": _Reading(("progress", "progressPercent"), _percent),
    "current_layer": _Reading(("layer", "currentLayer"), _layers),
    "total_layers": _Reading(("totalLayers",), _layers),
    "nozzle_temp_current": _Reading(("nozzleTemp",), _temperature),
    "nozzle_temp_target": _Reading(("nozzleTargetTemp",), _temperature),
    "bed_temp_current": _Reading(("bedTemp",), _temperature),
    "bed_temp_target": _Reading(("bedTargetTemp",), _temperature),
    "chamber_temp_current": _Reading(("chamberTemp",), _temperature),
    "chamber_temp_target": _Reading(("chamberTargetTemp",), _temperature),
    "time_remaining_seconds": _Reading(("remainingTime", "remainingTimeSeconds"), _seconds),
    "print_speed_percentage": _Reading(("speedPercent",), _speed),
    "fan_speed_percentage": _Reading(("fanPercent",), _percent),
    "current_job_id": _Reading(("printJobId", "jobId"), _word),
    "file_name": _Reading(("fileName",), _word),
    "error_message": _Reading(("errorMessage",), _text),
}
"""What is stored of each reading of this dialect, by its name here."""
