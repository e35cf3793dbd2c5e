"""A Prusa printer's mechanics as its PrusaLink shows them (section G of the protocol notes), by its own clock.

It knows nothing of HTTP. Whoever owns it calls `advance` with the seconds that passed.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from local.simulator.heater import Heater
from local.simulator.models import PrusaModel
from local.simulator.project import PlatePlan

RESUME_SECONDS = 3.0
"""A print that is resumed is shown as paused while the nozzle heats and returns."""
_LONGEST_STEP = 1.0


class PrusaState(StrEnum):
    """The state as `/api/v1/status` has it."""

    IDLE = "IDLE"
    BUSY = "BUSY"
    PRINTING = "PRINTING"
    PAUSED = "PAUSED"
    FINISHED = "FINISHED"
    STOPPED = "STOPPED"
    ERROR = "ERROR"
    ATTENTION = "ATTENTION"
    READY = "READY"


_AT_REST = frozenset({PrusaState.IDLE, PrusaState.READY, PrusaState.FINISHED, PrusaState.STOPPED})


class Phase(Enum):
    """Where a job is inside the machine."""

    PREVIEW = auto()
    """Taken, and not shown: the printer is still IDLE and has no job."""
    HEATING = auto()
    PRINTING = auto()
    FINISHING = auto()
    """Shown as PRINTING at 100 %."""
    ABORTING = auto()
    """Shown as PRINTING."""


@dataclass
class PrusaJob:
    """One print of one file; `path` begins with `/usb/`."""

    path: str
    plan: PlatePlan
    phase: Phase = Phase.PREVIEW
    in_phase: float = 0.0
    printed: float = 0.0
    lasted: float = 0.0
    is_paused: bool = False
    resuming_for: float | None = None

    @property
    def percent(self) -> float:
        """How much of it is printed, 0 to 100."""
        return min(100.0, 100.0 * self.printed / self.plan.seconds)


class PrusaMachine:
    """One printer. Not thread-safe."""

    def __init__(self, model: PrusaModel) -> None:
        self.model = model
        self.job: PrusaJob | None = None
        self.job_id = 0
        """The number of the latest job; it stays after the job's end."""
        self.nozzle = Heater(heating_rate=4.0, cooling_rate=1.5, maximum=290)
        self.bed = Heater(heating_rate=1.0, cooling_rate=0.2, maximum=120)
        self.attention = False
        """A dialogue waits for a person: nothing moves."""
        self.occupied = False
        """Calibrating, homing, recovering from a crash: nothing moves, and no job is shown."""
        self._rest = PrusaState.IDLE

    @property
    def state(self) -> PrusaState:
        """What is reported."""
        if self.occupied:
            return PrusaState.BUSY
        if self.attention:
            return PrusaState.ATTENTION
        job = self.job
        if job is None or job.phase is Phase.PREVIEW:
            return self._rest
        return PrusaState.PAUSED if job.is_paused else PrusaState.PRINTING

    @property
    def shown_job(self) -> PrusaJob | None:
        """The job, where the status has one: a BUSY printer does not show it."""
        job = self.job
        return None if job is None or job.phase is Phase.PREVIEW or self.occupied else job

    @property
    def can_start(self) -> bool:
        """Whether it would begin with a print now."""
        return self.state in _AT_REST and (self.job is None or self.job.phase is Phase.PREVIEW)

    def start(self, path: str, plan: PlatePlan) -> None:
        """Begin with a file; the caller has looked at `can_start`."""
        self._rest = PrusaState.IDLE
        self.job = PrusaJob(path, plan)

    def pause(self) -> bool:
        """Pause at once, if printing."""
        if self.state is not PrusaState.PRINTING or self.job is None or self.job.phase is Phase.ABORTING:
            return False
        self.job.is_paused = True
        return True

    def resume(self) -> bool:
        """Go on after a moment, if paused."""
        if self.state is not PrusaState.PAUSED or self.job is None:
            return False
        if self.job.resuming_for is None:
            self.job.resuming_for = 0.0
        return True

    def stop(self) -> bool:
        """Abort the print, if there is one: the head parks first."""
        job = self.shown_job
        if job is None:
            return False
        if job.phase is not Phase.ABORTING:
            job.is_paused, job.resuming_for = False, None
            self.attention = False
            self._enter(job, Phase.ABORTING)
        return True

    def fail(self) -> None:
        """An error that ends everything (a red screen)."""
        self._end(PrusaState.ERROR)

    def dismiss(self) -> None:
        """Somebody closes what the screen shows after the end of a print."""
        self._rest = PrusaState.IDLE

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        while seconds > 0:
            step = min(seconds, _LONGEST_STEP)
            seconds -= step
            self.nozzle.advance(step)
            self.bed.advance(step)
            if self.job is not None and not (self.occupied or self.attention):
                self._work(self.job, step)

    def _work(self, job: PrusaJob, seconds: float) -> None:
        if job.is_paused:
            self._resume_when_warm(job, seconds)
            return
        job.in_phase += seconds
        job.lasted += 0 if job.phase is Phase.PREVIEW else seconds
        match job.phase:
            case Phase.PREVIEW if job.in_phase >= self.model.preview_seconds:
                self.job_id += 1
                self.nozzle.set(job.plan.nozzle)
                self.bed.set(job.plan.bed)
                self._enter(job, Phase.HEATING)
            case Phase.HEATING if self.nozzle.reached and self.bed.reached:
                self._enter(job, Phase.PRINTING)
            case Phase.PRINTING:
                job.printed += seconds
                if job.printed >= job.plan.seconds:
                    self._enter(job, Phase.FINISHING)
            case Phase.FINISHING if job.in_phase >= self.model.finishing_seconds:
                self._end(PrusaState.FINISHED)
            case Phase.ABORTING if job.in_phase >= self.model.aborting_seconds:
                self._end(PrusaState.STOPPED)

    def _resume_when_warm(self, job: PrusaJob, seconds: float) -> None:
        if job.resuming_for is None:
            return
        job.resuming_for += seconds
        if job.resuming_for >= RESUME_SECONDS:
            job.is_paused, job.resuming_for = False, None

    def _enter(self, job: PrusaJob, phase: Phase) -> None:
        job.phase = phase
        job.in_phase = 0.0

    def _end(self, rest: PrusaState) -> None:
        self.job = None
        self._rest = rest
        self.nozzle.set(0)
        self.bed.set(0)
