"""What a Bambu model can do, by the first three characters of its serial."""

CHAMBER_HEATER = frozenset({"03W", "093", "094", "239", "31B", "20P"})
"""X1E, H2S, H2D, H2D Pro, H2C, X2D; no other model heats its chamber."""

CHAMBER_SENSOR = CHAMBER_HEATER | frozenset({"00M", "22E"})
"""X1C and P2S measure the chamber besides; P1 and A1 report a constant 5 °C."""

NOZZLE_LIMITS = {"03W": 320, "093": 350, "094": 350, "239": 350, "31B": 350}
"""°C of X1E, H2S, H2D, H2D Pro, H2C as their maker states them; every other model goes to 300."""


def nozzle_limit(serial: str) -> int:
    """The highest nozzle temperature, in °C."""
    return NOZZLE_LIMITS.get(serial[:3], 300)


def has_chamber_heater(serial: str) -> bool:
    """Whether the chamber can be heated."""
    return serial[:3] in CHAMBER_HEATER


def has_chamber_sensor(serial: str) -> bool:
    """Whether the reported chamber temperature is real."""
    return serial[:3] in CHAMBER_SENSOR
