"""The faults that a simulated Prusa printer can be given, as the control API names them."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass
class PrusaFaults:
    """What is wrong with one printer right now. All off is a healthy printer."""

    silent: bool = False
    """Does what it is told, and does not answer."""
    half_open: bool = False
    """TCP is accepted, then nothing is done and nothing is answered."""
    unreachable: bool = False
    """Every connection is reset at once."""
    refuse_password: bool = False
    """The API key is refused."""
    disk_full: bool = False
    """Uploads are refused with 507."""
    drop_after_start: bool = False
    """The next start cuts the connection after it took effect and before it is answered."""
    cut_download: bool = False
    """The next download breaks in its middle."""
    attention: bool = False
    """A dialogue at the screen waits for a person; a print stands still meanwhile."""
    busy: bool = False
    """Occupied without a job, as in a calibration or a crash recovery."""

    def update(self, changes: dict[str, Any]) -> None:
        """Apply several changes or, when one of them is wrong, none; ValueError says which."""
        names = {field.name for field in fields(self)}
        for name, value in changes.items():
            if name not in names:
                raise ValueError(f"unknown fault {name!r}, known: {', '.join(sorted(names))}")
            if type(value) is not bool:
                raise ValueError(f"fault {name!r} takes bool")
        for name, value in changes.items():
            setattr(self, name, value)
