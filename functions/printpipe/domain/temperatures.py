"""How hot a printer says it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

HOTTEST = 2000.0
"""°C; what is beyond that, in either direction, is no temperature."""


@dataclass(frozen=True)
class Temperatures:
    """Measured and wanted, in °C; None where the printer does not say."""

    nozzle: float | None = None
    nozzle_target: float | None = None
    bed: float | None = None
    bed_target: float | None = None
    chamber: float | None = None

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Self:
        """Those in a status as printers' clients store it."""
        return cls(
            nozzle=_celsius(status.get("nozzleTemp")),
            nozzle_target=_celsius(status.get("nozzleTargetTemp")),
            bed=_celsius(status.get("bedTemp")),
            bed_target=_celsius(status.get("bedTargetTemp")),
            chamber=_celsius(status.get("chamberTemp")),
        )


def _celsius(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -HOTTEST <= value <= HOTTEST:
        return None
    return float(value)
