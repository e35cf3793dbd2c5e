"""The normal form of what PrusaLink reports: typed, in °C, seconds and percent (protocol notes, section G)."""

from collections.abc import Mapping
from typing import Any

from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.parts import integer, number, part, text


def seen_in(status: Mapping[str, Any], job: Mapping[str, Any], nozzle_diameter: float | None) -> Look:
    """The normal form of `/api/v1/status` and, while there is a job, of `/api/v1/job`.

    There is no job before a print begins, after its end, and while the printer is BUSY; `file` is the long name of the
    file printed.
    """
    printer, progress, file = part(status, "printer"), part(status, "job"), part(job, "file")
    return Look(
        state=text(printer.get("state")).upper() or "UNKNOWN",
        job_id=integer(progress.get("id")),
        file=text(file.get("display_name") or file.get("name")),
        percent=number(progress.get("progress")),
        remaining_seconds=integer(progress.get("time_remaining")),
        bed=number(printer.get("temp_bed")),
        bed_target=number(printer.get("target_bed")),
        nozzle=number(printer.get("temp_nozzle")),
        nozzle_target=number(printer.get("target_nozzle")),
        nozzle_diameter=nozzle_diameter,
        speed_percent=integer(printer.get("speed")),
        transfer_percent=number(part(status, "transfer").get("progress")),
    )
