"""The normal form of what PrusaLink reports: typed, in °C, seconds and percent (protocol notes, section G)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.parts import integer, number, text

__all__ = ["Snapshot", "integer", "number", "snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot(Look):
    """One moment of the printer.

    There is no job before a print begins, after its end, and while the printer is BUSY; `file` is the long name of the
    file printed.
    """

    transfer_percent: float | None = None
    """How far the file that is being uploaded is, while one is."""


def snapshot(status: Mapping[str, Any], job: Mapping[str, Any], nozzle_diameter: float | None) -> Snapshot:
    """The normal form of `/api/v1/status` and, while there is a job, of `/api/v1/job`."""
    printer, progress = _part(status, "printer"), _part(status, "job")
    file = _part(job, "file")
    return Snapshot(
        state=text(printer.get("state")).upper() or "UNKNOWN",
        job_id=integer(progress.get("id")),
        file=text(file.get("display_name") or file.get("name")),
        percent=number(progress.get("progress")),
        remaining_seconds=integer(progress.get("time_remaining")),
        bed=number(printer.get("temp_bed")),
        bed_target=number(printer.get("target_bed")),
        nozzle=number(printer.get("temp_nozzle")),
        nozzle_target=number(printer.get("target_nozzle")),
        speed_percent=integer(printer.get("speed")),
        nozzle_diameter=nozzle_diameter,
        transfer_percent=number(_part(status, "transfer").get("progress")),
    )


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}
