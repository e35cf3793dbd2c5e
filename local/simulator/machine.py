"""The machine itself: what it does with a job, and with its own calibration, second by second of its own clock.

It knows nothing of MQTT. Whoever owns it calls `advance` with the seconds that passed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from local.simulator.mechanics import ALL_AXES, EMPTY, HOMING_SECONDS, Fans, Mechanics
from local.simulator.models import Model
from local.simulator.project import PlatePlan

CANCELLED = 0x0300400C
"""print_error 0300_400C, some seconds after a cancel."""
PAUSED_AT_SCREEN = 0x03008001
"""print_error 0300_8001: paused by a person."""
AMS_MAPPING = 0x07FF8012
"""print_error 07FF_8012: the AMS mapping does not fit what is loaded."""
BUSY = 0x05004004
"""print_error 0500_4004: a start while a job is on."""

EFFECT_SECONDS = 0.5
"""From a pause, resume or stop to its effect; a recorded stop took 0.57 s."""
CANCEL_ERROR_SECONDS = 4.65
"""From FAILED to the late print_error (recorded)."""
ERROR_SHOWN_SECONDS = 5.0
"""How long a passing print_error is reported."""
REFUSAL_SECONDS = 2.0
CALIBRATION_SECONDS = 120.0
"""Of each part of the printer's own calibration."""
_OLD_LAYER_SECONDS = 1.2
_REMAINING_SHARE = 0.96
"""The reported remaining time runs out when this share of the job is done."""
_LONGEST_STEP, _LONGEST_IDLE_STEP = 1.0, 60.0
"""With a job, and without one, when nothing changes but temperatures."""

SPEEDS = {1: 50, 2: 100, 3: 124, 4: 166}
"""Percent of the standard speed by `spd_lvl`."""

HMS_UNSIGNED = (0x05000500, 0x00010007)
"""HMS 0500_0500_0001_0007: MQTT command verification failed."""


class GcodeState(StrEnum):
    """`gcode_state` as reported."""

    IDLE = "IDLE"
    PREPARE = "PREPARE"
    RUNNING = "RUNNING"
    PAUSE = "PAUSE"
    FINISH = "FINISH"
    FAILED = "FAILED"


ACTIVE = frozenset({GcodeState.PREPARE, GcodeState.RUNNING, GcodeState.PAUSE})


class Phase(Enum):
    """Where a job is inside the machine."""

    ACCEPTED = auto()
    PREPARING = auto()
    HEATING = auto()
    PRINTING = auto()


class Stage:
    """`stg_cur` values."""

    PRINTING = 0
    BED_LEVELLING = 1
    BED_PREHEAT = 2
    HOTEND_HEAT = 7
    HOMING = 13
    PAUSED = 16


@dataclass
class Job:
    """One accepted start. `refusal` is the print_error it will end with instead of printing."""

    name: str
    param: str
    plan: PlatePlan | None
    refusal: int = 0
    tray: str = "254"
    ids: dict[str, str] = field(default_factory=dict)
    phase: Phase = Phase.ACCEPTED
    in_phase: float = 0.0
    printed: float = 0.0


class Machine(Mechanics):
    """One printer with its job. Not thread-safe: one owner advances and commands it."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.state = GcodeState.IDLE
        self.job: Job | None = None
        self.subtask_name = ""
        self.gcode_file = ""
        self.ids = {"project_id": "0", "profile_id": "0", "task_id": "0", "subtask_id": "0"}
        self.print_type = "idle"
        self.prepare_percent = 0
        self.percent = 0
        self.remaining_minutes = 0
        self.layer = 0
        self.total_layers = 0
        self.print_error = 0
        self.hms: list[tuple[int, int]] = []
        self.stage = model.idle_stage
        self.speed_level = 2
        self.skipped: set[int] = set()
        self._calibration = 0
        self._before_pause = GcodeState.RUNNING
        self._error_serial = 0

    # What others ask it to do.

    @property
    def busy(self) -> bool:
        """Whether a job is on, from its acceptance to its end, or the printer's own calibration."""
        return self.job is not None or bool(self._calibration)

    def start(self, job: Job) -> None:
        """Begin with a job; the caller has made sure that the machine is not busy."""
        self.job = job
        self.subtask_name = job.name
        self.ids |= job.ids
        if self.model.stale_start:
            return
        self._show_error(0)
        self.state = GcodeState.IDLE
        self.gcode_file = job.param
        self.percent = self.remaining_minutes = self.layer = self.total_layers = self.prepare_percent = 0

    def pause(self, print_error: int = 0) -> None:
        """Pause after the usual moment, if something is being done then."""

        def effect() -> None:
            if self.job is not None and self.state in (GcodeState.PREPARE, GcodeState.RUNNING):
                self._before_pause = self.state
                self.state = GcodeState.PAUSE
                self.stage = Stage.PAUSED
                self._show_error(print_error)

        self._after(EFFECT_SECONDS, effect)

    def resume(self) -> None:
        """Go on after the usual moment, if paused then."""

        def effect() -> None:
            if self.state is GcodeState.PAUSE:
                self.state = self._before_pause
                self.stage = self.model.idle_stage
                self._show_error(0)

        self._after(EFFECT_SECONDS, effect)

    def cancel(self) -> None:
        """End the job as cancelled: FAILED without an error, which follows late and passes (recorded)."""
        job = self.job
        if self._calibration:
            self._after(EFFECT_SECONDS, self._calibrated(GcodeState.FAILED))

        def effect() -> None:
            if job is not None and self.job is job:
                self._end(GcodeState.FAILED, 0)
                self._after(CANCEL_ERROR_SECONDS, late_error)

        def late_error() -> None:
            if self.job is None and self.state is GcodeState.FAILED and not self.print_error:
                self.show_passing_error(CANCELLED)

        self._after(EFFECT_SECONDS, effect)

    def fail(self, print_error: int) -> None:
        """End the job with an error that stays; without a job only the error shows."""
        if self.job is None:
            self._show_error(print_error)
        else:
            self._end(GcodeState.FAILED, print_error)

    def show_passing_error(self, print_error: int) -> None:
        """Report a print_error that clears by itself."""
        self._show_error(print_error)
        shown = self._error_serial

        def clear() -> None:
            if self._error_serial == shown:
                self._show_error(0)

        self._after(ERROR_SHOWN_SECONDS, clear)

    def set_error(self, print_error: int) -> None:
        """Report this print_error until it is cleared; 0 clears."""
        self._show_error(print_error)

    def skip(self, objects: set[int]) -> None:
        """Leave these objects of the running print out."""
        self.skipped |= objects

    def calibrate(self, option: int) -> None:
        """Do what the option's bits say; it shows as a job of the printer's own, which nobody can pause."""
        self._calibration = option
        self.state = GcodeState.RUNNING
        self.print_type = "system"
        self.subtask_name = "auto_cali_for_user_param"
        self.gcode_file = "/usr/etc/print/auto_cali_for_user_param.gcode"
        self.percent = self.layer = self.total_layers = self.remaining_minutes = 0
        self.stage = Stage.BED_LEVELLING
        self._show_error(0)
        self._after(CALIBRATION_SECONDS * option.bit_count(), self._calibrated(GcodeState.FINISH))

    def _calibrated(self, state: GcodeState) -> Callable[[], None]:
        def effect() -> None:
            if self._calibration:
                self._calibration = 0
                self.state = state
                self.stage = self.model.idle_stage
                self.print_type = "idle"
                self.homed = ALL_AXES

        return effect

    # Time.

    def advance(self, seconds: float) -> bool:
        """Let time pass, at most up to the next change that a person would notice; True when there was one.

        What is left of `seconds` after such a change is dropped, so that no state is skipped at high speed.
        """
        before = self.notable()
        end = self._now + seconds
        while self._now < end:
            longest = _LONGEST_IDLE_STEP if self.job is None else _LONGEST_STEP
            step = max(0.0, min(longest, end - self._now, self._until_due()))
            self._evolve(step)
            self._now += step
            while (action := self._next_due()) is not None:
                action()
                if self.notable() != before:
                    return True
            if self.notable() != before:
                return True
        return False

    def notable(self) -> tuple[GcodeState, int, bool]:
        """What a person would notice when it changes: the state, an error, whether a job is on."""
        return self.state, self.print_error, self.busy

    def _evolve(self, seconds: float) -> None:
        self._heat(seconds)
        if self.job is not None and self.state is not GcodeState.PAUSE:
            self._work(self.job, seconds)

    def _work(self, job: Job, seconds: float) -> None:
        job.in_phase += seconds
        if job.phase is Phase.ACCEPTED:
            if job.in_phase >= self.model.accept_seconds:
                self._leave_accepted(job)
        elif job.phase is Phase.PREPARING:
            self.prepare_percent = min(100, int(100 * job.in_phase / self.model.prepare_seconds))
            if job.refusal and job.in_phase >= REFUSAL_SECONDS:
                self._end(GcodeState.FAILED, job.refusal)
            elif job.in_phase >= self.model.prepare_seconds:
                self._run(job)
        elif job.phase is Phase.HEATING:
            self._warm_up(job)
        else:
            self._print(job, seconds)

    def _leave_accepted(self, job: Job) -> None:
        self._show_error(0)
        self.print_type = "local"
        self.gcode_file = job.param if self.model.sends_deltas else f"/data/{job.param}"
        if self.model.prepare_seconds:
            self.state = GcodeState.PREPARE
            self._enter(job, Phase.PREPARING)
        elif job.refusal:
            self._end(GcodeState.FAILED, job.refusal)
        else:
            self._run(job)

    def _run(self, job: Job) -> None:
        """RUNNING begins with homing and heating; on X1 the old layer is shown for a frame more (recorded)."""
        if job.plan is None:
            raise ValueError("a job without a plan cannot run")
        self.state = GcodeState.RUNNING
        self._enter(job, Phase.HEATING)
        self.percent = 0
        self.remaining_minutes = int(job.plan.seconds * _REMAINING_SHARE / 60)
        self.prepare_percent = 100
        self.total_layers = job.plan.layers
        self.skipped = set()
        self.nozzle.set(job.plan.nozzle)
        self.bed.set(job.plan.bed)
        self.fans.hotend = 255
        self.tray_now = self.tray_target = job.tray
        self.homed = ALL_AXES
        if self.model.stale_start:
            self._after(_OLD_LAYER_SECONDS, self._forget_old_layer(job))
        else:
            self.layer = 0

    def _forget_old_layer(self, job: Job) -> Callable[[], None]:
        def effect() -> None:
            if self.job is job and job.phase is Phase.HEATING:
                self.layer = 0

        return effect

    def _warm_up(self, job: Job) -> None:
        if not self.bed.reached:
            self.stage = Stage.BED_PREHEAT
        elif not self.nozzle.reached:
            self.stage = Stage.HOTEND_HEAT
        elif job.in_phase < HOMING_SECONDS:
            self.stage = Stage.HOMING
        else:
            self.layer = 0
            self._enter(job, Phase.PRINTING)

    def _print(self, job: Job, seconds: float) -> None:
        plan = job.plan
        if plan is None:
            raise ValueError("a job without a plan cannot print")
        self.stage = Stage.PRINTING
        job.printed += seconds * SPEEDS[self.speed_level] / 100
        share = min(1.0, job.printed / plan.seconds)
        self.percent = int(100 * share)
        left = plan.seconds * _REMAINING_SHARE - job.printed
        self.remaining_minutes = max(0, int(left / 60))
        self.layer = min(plan.layers, int(share * plan.layers) + 1)
        if job.printed >= plan.seconds:
            self.percent, self.remaining_minutes, self.layer = 100, 0, plan.layers
            self._end(GcodeState.FINISH, 0)

    def _enter(self, job: Job, phase: Phase) -> None:
        job.phase = phase
        job.in_phase = 0.0

    def _end(self, state: GcodeState, print_error: int) -> None:
        self.job = None
        self.state = state
        self._show_error(print_error)
        self.stage = self.model.idle_stage
        for heater in (*self.nozzles, self.bed):
            heater.set(0)
        self.fans = Fans()
        self.tray_now = self.tray_target = EMPTY
        if self.model.sends_deltas:
            self.gcode_file = ""
            self.print_type = "idle"

    def _show_error(self, print_error: int) -> None:
        self._error_serial += 1
        self.print_error = print_error
