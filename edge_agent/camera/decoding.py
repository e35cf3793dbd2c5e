"""One coded picture made a JPEG by ffmpeg, which is given the picture alone: no address, no access code."""

import contextlib
import shutil
import subprocess

from edge_agent.camera.limit import Limit
from edge_agent.drivers.base import PICTURE_BYTES, CameraFailed

PROGRAM = "ffmpeg"
_READ = ("-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "pipe", "-f", "h264", "-i", "pipe:0")
_WRITE = ("-frames:v", "1", "-threads", "1", "-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg", "pipe:1")


def decoder() -> str:
    """The path of the program. Raises CameraFailed `no_ffmpeg`."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise CameraFailed(
            "no_ffmpeg",
            "this printer's camera sends H.264, which the agent reads with ffmpeg, and that is not installed:"
            " `sudo apt install ffmpeg` on a Raspberry Pi",
        )
    return found


def decoded(program: str, picture: bytes, limit: Limit) -> bytes:
    """The picture (H.264, Annex B) as a JPEG. Raises CameraFailed."""
    try:
        process = subprocess.Popen(
            [program, *_READ, *_WRITE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise CameraFailed("no_ffmpeg", f"ffmpeg cannot be run: {error.strerror}") from None
    try:
        jpeg = _output(process, picture, limit)
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
    if not jpeg.startswith(b"\xff\xd8") or len(jpeg) > PICTURE_BYTES:
        raise CameraFailed("unreachable", "ffmpeg could make no picture of the camera's video")
    return jpeg


def _output(process: subprocess.Popen[bytes], picture: bytes, limit: Limit) -> bytes:
    given: bytes | None = picture
    while True:
        try:
            return process.communicate(given, timeout=limit.step())[0]
        except subprocess.TimeoutExpired:
            given = None
