"""The faults that a simulated printer can be given, as the control API names them."""

from dataclasses import dataclass, fields
from typing import Any

CAMERA_FAULTS = ("", "busy", "silent", "garbage", "cut", "slow", "lossy")


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
    complains_of_uploads: bool = False
    """Uploads are kept whole, and answered with 426."""
    upload_kept: int = 0
    """Of the next upload only so many bytes are kept, and it is answered with 226, once; 0: all of every one."""
    wrong_data_host: bool = False
    """PASV is answered with an address that leads nowhere."""
    data_in_clear: bool = False
    """TLS is refused on the data connections, as some A1 do."""
    cut_download_after: int = 0
    """The next download breaks after so many bytes, once; 0: none does."""
    download_rate: int = 0
    """Downloads bring so many bytes a second; 0: as many as they can."""
    answers_mlsd: bool = False
    """Files are listed by MLSD too; real printers know LIST alone."""
    camera: str = ""
    """What the camera does to its viewers: "busy" turns them away, "silent" shows nothing, "garbage" is no picture,
    "cut" ends in the middle of one, "slow" takes minutes for one, "lossy" drops packets of every other one."""
    live_view: bool = True
    """Off: the video is reported as disabled, and nobody is told where it is."""
    developer_mode: bool = True
    """Off: every `print.*` command is refused as unsigned."""
    bare_refusals: bool = False
    """With Developer Mode off a command is merely repeated to its sender, as some P1 do; an HMS entry alone tells."""

    def update(self, changes: dict[str, Any]) -> None:
        """Apply several changes or, when one of them is wrong, none; ValueError says which."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in changes.items():
            if name not in kinds:
                raise ValueError(f"unknown fault {name!r}, known: {', '.join(kinds)}")
            if type(value) is not kinds[name]:
                raise ValueError(f"fault {name!r} takes {kinds[name].__name__}")
        if changes.get("camera", "") not in CAMERA_FAULTS:
            raise ValueError(f"fault 'camera' is one of {', '.join(CAMERA_FAULTS[1:])}, or empty")
        for name, value in changes.items():
            setattr(self, name, value)
