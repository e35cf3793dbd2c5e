"""The machine itself: what it does with a job, its heaters, fans and lights, second by second of its own clock.

It knows nothing of MQTT. Whoever owns it calls `advance` with the seconds that passed.
"""

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from local.simulator.heater import AMBIENT, Heater
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
HOMING_SECONDS = 12.0
REFUSAL_SECONDS = 2.0
_OLD_LAYER_SECONDS = 1.2
_REMAINING_SHARE = 0.96
"""The reported remaining time runs out when this share of the job is done."""
_LONGEST_STEP = 1.0

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


@dataclass
class Fans:
    """PWM values 0–255."""

    part: int = 0
    aux: int = 0
    chamber: int = 0
    hotend: int = 0


class Machine:
    """One printer's mechanics. Not thread-safe: one owner advances and commands it."""

    def __init__(self, model: Model) -> None:
        self.model = model
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
        self.nozzle = Heater(heating_rate=4.0, cooling_rate=1.5, maximum=300)
        self.bed = Heater(heating_rate=0.8, cooling_rate=0.2, maximum=110)
        self.chamber = Heater(heating_rate=0.05, cooling_rate=0.05, maximum=60)
        self.fans = Fans()
        self.filaments = model.filaments
        self.lights = dict.fromkeys(model.lights, "off")
        self.speed_level = 2
        self.homed = 0
        self.tray_now = "255"
        self.tray_target = "255"
        self.ams_status = 0
        self.recording = "enable"
        self.timelapse = "disable"
        self._before_pause = GcodeState.RUNNING
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._now = 0.0
        self._error_serial = 0

    # What others ask it to do.

    @property
    def busy(self) -> bool:
        """Whether a job is on, from its acceptance to its end."""
        return self.job is not None

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
            if self.state in (GcodeState.PREPARE, GcodeState.RUNNING):
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

    def home(self, axes: int) -> None:
        """Home these axes (bits 0–2 for X, Y, Z)."""
        self.homed &= ~axes

        def effect() -> None:
            self.homed |= axes

        self._after(HOMING_SECONDS, effect)

    def release_motors(self) -> None:
        """Switch the motors off: nothing is homed any more."""
        self.homed = 0

    def change_filament(self, tray: str) -> None:
        """Load this tray, or unload with 255; `ams_status` goes through the recorded steps."""
        self.tray_target = tray
        self.ams_status = 258
        for step, status in enumerate((261, 262), start=1):
            self._after(5.0 * step, self._set_ams_status(status))

        def done() -> None:
            self.tray_now = tray
            self.ams_status = 768 if tray != "255" else 0

        self._after(15.0, done)

    def _set_ams_status(self, status: int) -> Callable[[], None]:
        def effect() -> None:
            self.ams_status = status

        return effect

    # Time.

    def advance(self, seconds: float) -> bool:
        """Let time pass, at most up to the next change that a person would notice; True when there was one.

        What is left of `seconds` after such a change is dropped, so that no state is skipped at high speed.
        """
        before = self.notable()
        end = self._now + seconds
        while self._now < end:
            due = self._timers[0][0] if self._timers else math.inf
            step = max(0.0, min(_LONGEST_STEP, end - self._now, due - self._now))
            self._evolve(step)
            self._now += step
            while self._timers and self._timers[0][0] <= self._now:
                heapq.heappop(self._timers)[2]()
                if self.notable() != before:
                    return True
            if self.notable() != before:
                return True
        return False

    def notable(self) -> tuple[GcodeState, int, bool]:
        """What a person would notice when it changes: the state, an error, whether a job is on."""
        return self.state, self.print_error, self.busy

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._now + seconds, next(self._numbers), action))

    def _evolve(self, seconds: float) -> None:
        for heater in (self.nozzle, self.bed, self.chamber):
            heater.advance(seconds)
        self.chamber.set(AMBIENT + max(0.0, self.bed.current - AMBIENT) * 0.3)
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
            self._heat(job)
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
        self.nozzle.set(job.plan.nozzle)
        self.bed.set(job.plan.bed)
        self.fans.hotend = 255
        self.tray_now = self.tray_target = job.tray
        self.homed = 7
        if self.model.stale_start:
            self._after(_OLD_LAYER_SECONDS, self._forget_old_layer(job))
        else:
            self.layer = 0

    def _forget_old_layer(self, job: Job) -> Callable[[], None]:
        def effect() -> None:
            if self.job is job and job.phase is Phase.HEATING:
                self.layer = 0

        return effect

    def _heat(self, job: Job) -> None:
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
        self.nozzle.set(0)
        self.bed.set(0)
        self.fans = Fans()
        self.tray_now = self.tray_target = "255"
        if self.model.sends_deltas:
            self.gcode_file = ""
            self.print_type = "idle"

    def _show_error(self, print_error: int) -> None:
        self._error_serial += 1
        self.print_error = print_error
