"""A heater whose temperature moves towards its target."""

from dataclasses import dataclass

AMBIENT = 25.0
"""Room temperature, °C."""


@dataclass
class Heater:
    """Temperatures in °C, rates in °C per second of the printer's clock."""

    heating_rate: float
    cooling_rate: float
    maximum: float
    current: float = AMBIENT
    target: float = 0.0

    def set(self, target: float) -> None:
        """Take a new target, limited to what the heater can do; 0 is off."""
        self.target = min(max(target, 0.0), self.maximum)

    def advance(self, seconds: float) -> None:
        """Move towards the target, or towards room temperature when the target is below it."""
        goal = max(self.target, AMBIENT)
        if self.current < goal:
            self.current = min(goal, self.current + self.heating_rate * seconds)
        else:
            self.current = max(goal, self.current - self.cooling_rate * seconds)

    @property
    def reached(self) -> bool:
        """Whether the temperature is at or above the target, within 1 °C."""
        return self.current >= self.target - 1.0
