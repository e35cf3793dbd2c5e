"""What a polled printer shows at one moment, in words that fit every brand."""

from dataclasses import dataclass

from edge_agent.drivers.base import PrinterState

AT_REST = frozenset({"IDLE", "READY", "FINISHED", "STOPPED"})
"""The states in which a printer takes a start."""
ENDS = frozenset({"FINISHED", "STOPPED", "ERROR"})
"""What a printer shows after a print."""

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
class Look:
    """One look, in °C, seconds and percent; what the printer does not report is None.

    `state` is one of PrusaLink's words, into which other brands translate their own: BUSY hides what the printer does,
    ATTENTION asks for a person at the screen. `job_id` tells the job shown from others; there is none while none is
    shown. `file` is what is printed, as far as it is shown, and may be told after its end, too.
    """

    state: str = "UNKNOWN"
    job_id: int | str | None = None
    file: str = ""
    percent: float | None = None
    remaining_seconds: int | None = None
    layer: int | None = None
    total_layers: int | None = None
    bed: float | None = None
    bed_target: float | None = None
    nozzle: float | None = None
    nozzle_target: float | None = None
    nozzle_diameter: float | None = None
    speed_percent: int | None = None
    transfer_percent: float | None = None
    """How far the file that is being uploaded is, while one is."""

    @property
    def has_job(self) -> bool:
        """Whether a print is shown."""
        return self.job_id is not None

    @property
    def normal_state(self) -> PrinterState:
        """The product's word for the state."""
        return _STATES.get(self.state, "unknown")
