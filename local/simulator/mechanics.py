"""What a machine can do without a job: heat, blow, shine, home, move, change filament, as its own time passes.

Times are in seconds of the printer's own clock.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.simulator.heater import AMBIENT, Heater
from local.simulator.models import Model

HOMING_SECONDS = 12.0
CHANGE_STEP_SECONDS = 5.0
AMS_CHANGE = (258, 261, 262)
"""`ams_status` while filament is changed (recorded)."""
AMS_LOADED = 768
EMPTY = "255"
AXES: Mapping[str, int] = {"X": 1, "Y": 2, "Z": 4}
"""Bits of the homed axes."""
ALL_AXES = 7


@dataclass
class Fans:
    """PWM values 0–255."""

    part: int = 0
    aux: int = 0
    chamber: int = 0
    hotend: int = 0
    aux2: int = 0


class Mechanics:
    """Heaters, fans, lamps, axes and filament of one printer. Not thread-safe: one owner advances and commands it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nozzle = self._hotend()
        self.left_nozzle = self._hotend() if model.nozzles > 1 else None
        self.bed = Heater(heating_rate=0.8, cooling_rate=0.2, maximum=model.bed_limit)
        self.chamber = Heater(heating_rate=0.05, cooling_rate=0.05, maximum=65)
        self.chamber_target = 0.0
        self.air_duct_heats = False
        self.fans = Fans()
        self.filaments = model.filaments
        self.lights = dict.fromkeys(model.lights, "off")
        self.homed = 0
        self.moved = {"X": 0.0, "Y": 0.0, "Z": 0.0}
        """How far G-code has moved each axis, in mm."""
        self.blind_moves = 0
        """How often an axis was moved that was not homed: its end stops are guarded by nothing."""
        self.tray_now = EMPTY
        self.tray_target = EMPTY
        self.ams_status = 0
        self.recording = "enable"
        self.timelapse = "disable"
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._now = 0.0

    @property
    def nozzles(self) -> list[Heater]:
        """The right one, or the only one, and the left one where there is one."""
        return [self.nozzle] if self.left_nozzle is None else [self.nozzle, self.left_nozzle]

    def heat_nozzle(self, target: float, index: int = 0) -> None:
        """Give one nozzle a target; a printer without it does nothing."""
        if index < len(self.nozzles):
            self.nozzles[index].set(target)

    def heat_chamber(self, target: float) -> None:
        """Give the chamber a target, where there is a heater for it."""
        if self.model.chamber_heater:
            self.chamber_target = target

    def home(self, axes: int = ALL_AXES) -> None:
        """Home these axes."""
        self.homed &= ~axes

        def effect() -> None:
            self.homed |= axes

        self._after(HOMING_SECONDS, effect)

    def release_motors(self) -> None:
        """Switch the motors off: nothing is homed any more."""
        self.homed = 0

    def move(self, axis: str, distance: float) -> None:
        """Move one axis by so many mm."""
        self.moved[axis] += distance
        if not self.homed & AXES[axis]:
            self.blind_moves += 1

    @property
    def changing(self) -> bool:
        """Whether filament is being changed."""
        return self.ams_status in AMS_CHANGE

    def change_filament(self, tray: str) -> None:
        """Load this tray, or unload with 255; `ams_status` goes through the recorded steps."""
        self.tray_target = tray
        self.ams_status = AMS_CHANGE[0]
        for step, status in enumerate(AMS_CHANGE[1:], start=1):
            self._after(CHANGE_STEP_SECONDS * step, self._set_ams_status(status))

        def done() -> None:
            self.tray_now = tray
            self.ams_status = AMS_LOADED if tray != EMPTY else 0

        self._after(CHANGE_STEP_SECONDS * len(AMS_CHANGE), done)

    def _hotend(self) -> Heater:
        return Heater(heating_rate=4.0, cooling_rate=1.5, maximum=self.model.nozzle_limit)

    def _set_ams_status(self, status: int) -> Callable[[], None]:
        def effect() -> None:
            self.ams_status = status

        return effect

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._now + seconds, next(self._numbers), action))

    def _until_due(self) -> float:
        """The seconds until something is due."""
        return self._timers[0][0] - self._now if self._timers else math.inf

    def _next_due(self) -> Callable[[], None] | None:
        """What is due now, one after the other."""
        return heapq.heappop(self._timers)[2] if self._timers and self._timers[0][0] <= self._now else None

    def _heat(self, seconds: float) -> None:
        for heater in (*self.nozzles, self.bed, self.chamber):
            heater.advance(seconds)
        warmed = AMBIENT + max(0.0, self.bed.current - AMBIENT) * 0.3
        self.chamber.set(max(warmed, self.chamber_target))
