"""The faults that a simulated printer can be given, as the control API names them."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Faults:
    """What is wrong with one printer right now. All off is a healthy printer in Developer Mode."""

    silent: bool = False
    """Neither reports nor acknowledges; keeps the connection, still does what it is told."""
    ignore_commands: bool = False
    """Reports go on, commands on the connections of now vanish without effect (zombie sessions); new ones work."""
    half_open: bool = False
    """TCP is accepted, then nothing is ever answered; what clients send vanishes without effect."""
    refuse_password: bool = False
    """MQTT, FTPS and camera refuse the access code."""
    drop_acks: int = 0
    """So many of the next acknowledgements are not sent; the commands have their effect."""
    drop_after_project_file: bool = False
    """The next start cuts the connection after it took effect and before it is acknowledged."""
    disk_full: bool = False
    """Uploads are refused with 552."""
    cut_download_after: int = 0
    """The next download breaks after so many bytes, once; 0: none does."""
    download_rate: int = 0
    """Downloads bring so many bytes a second; 0: as many as they can."""
    answers_mlsd: bool = False
    """Files are listed by MLSD too; real printers know LIST alone."""
    developer_mode: bool = True
    """Off: every `print.*` command is refused as unsigned."""

    def update(self, changes: dict[str, Any]) -> None:
        """Apply several changes or, when one of them is wrong, none; ValueError says which."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in changes.items():
            if name not in kinds:
                raise ValueError(f"unknown fault {name!r}, known: {', '.join(kinds)}")
            if type(value) is not kinds[name]:
                raise ValueError(f"fault {name!r} takes {kinds[name].__name__}")
        for name, value in changes.items():
            setattr(self, name, value)
