"""The normal form of what PrusaLink reports: typed, in °C, seconds and percent (protocol notes, section G)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.drivers.base import PrinterState

AT_REST = frozenset({"IDLE", "READY", "FINISHED", "STOPPED"})
"""The states in which the printer takes a start."""

_STATES: dict[str, PrinterState] = {
    "IDLE": "idle",
    "READY": "idle",
    "BUSY": "preparing",
    "PRINTING": "printing",
    "PAUSED": "paused",
    "ATTENTION": "paused",
    "FINISHED": "completed",
    "STOPPED": "failed",
    "ERROR": "failed",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the printer. What it does not report is None; `file` is the long name of the file printed."""

    state: str = "UNKNOWN"
    job_id: int | None = None
    """Of the job shown: there is none before it begins, after its end, and while the printer is BUSY."""
    file: str = ""
    percent: float | None = None
    remaining_seconds: int | None = None
    bed: float | None = None
    bed_target: float | None = None
    nozzle: float | None = None
    nozzle_target: float | None = None
    speed_percent: int | None = None
    nozzle_diameter: float | None = None

    @property
    def has_job(self) -> bool:
        """Whether a print is shown."""
        return self.job_id is not None

    @property
    def normal_state(self) -> PrinterState:
        """The product's word for the state."""
        return _STATES.get(self.state, "unknown")


def snapshot(status: Mapping[str, Any], job: Mapping[str, Any], nozzle_diameter: float | None) -> Snapshot:
    """The normal form of `/api/v1/status` and, while there is a job, of `/api/v1/job`."""
    printer, progress = _part(status, "printer"), _part(status, "job")
    file = _part(job, "file")
    return Snapshot(
        state=str(printer.get("state") or "UNKNOWN").upper(),
        job_id=integer(progress.get("id")),
        file=str(file.get("display_name") or file.get("name") or ""),
        percent=number(progress.get("progress")),
        remaining_seconds=integer(progress.get("time_remaining")),
        bed=number(printer.get("temp_bed")),
        bed_target=number(printer.get("target_bed")),
        nozzle=number(printer.get("temp_nozzle")),
        nozzle_target=number(printer.get("target_nozzle")),
        speed_percent=integer(printer.get("speed")),
        nozzle_diameter=nozzle_diameter,
    )


def number(value: Any) -> float | None:
    """A number as a float; None for everything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def integer(value: Any) -> int | None:
    """A number as an int; None for everything else."""
    found = number(value)
    return None if found is None else int(found)


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}
