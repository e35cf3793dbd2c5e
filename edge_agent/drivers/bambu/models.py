"""What a Bambu model can do, by the first three characters of its serial."""

CHAMBER_HEATER = frozenset({"03W", "093", "094", "239", "31B", "20P"})
"""X1E, H2S, H2D, H2D Pro, H2C, X2D; no other model heats its chamber."""

CHAMBER_SENSOR = CHAMBER_HEATER | frozenset({"00M", "22E"})
"""X1C and P2S measure the chamber besides; P1 and A1 report a constant 5 °C."""


def has_chamber_heater(serial: str) -> bool:
    """Whether the chamber can be heated."""
    return serial[:3] in CHAMBER_HEATER


def has_chamber_sensor(serial: str) -> bool:
    """Whether the reported chamber temperature is real."""
    return serial[:3] in CHAMBER_SENSOR
