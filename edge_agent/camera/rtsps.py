"""The camera of X1, P2S, X2D and H2 printers: H.264 over RTSP in TLS on port 322 (protocol notes, section F).

The agent talks to the camera itself, so that the certificate is verified as for everything else and no other program
sees the access code; ffmpeg is needed to make a JPEG of one coded picture alone.
"""

import contextlib
from urllib.parse import urlsplit

from edge_agent.camera.decoding import decoded, decoder
from edge_agent.camera.h264 import PictureFinder, packet, parameter_sets
from edge_agent.camera.limit import Limit
from edge_agent.camera.line import Secure, opened
from edge_agent.camera.rtsp import Conversation
from edge_agent.drivers.base import CameraFailed

PORT = 322
PATH = "/streaming/live/1"
DISABLED = "disable"
"""What a printer reports in place of its video's address when nobody may look at it."""


def place(rtsp_url: str | None, port: int | None) -> tuple[int, str]:
    """Port and path of the video: as the printer reports them, but for a port that is configured.

    Raises CameraFailed `off`. The host in the address is never used: it may be another one's.
    """
    if rtsp_url is None:
        return port or PORT, PATH
    if rtsp_url == DISABLED:
        raise CameraFailed(
            "off", "the printer shows its camera to nobody: switch on LAN Only Liveview in its settings at the screen"
        )
    try:
        parts = urlsplit(rtsp_url)
        return port or parts.port or PORT, parts.path or PATH
    except ValueError:
        return port or PORT, PATH


def look(address: str, port: int, path: str, secure: Secure, access_code: str, limit: Limit) -> bytes:
    """The next picture of the video that stands by itself, as a JPEG. Raises CameraFailed."""
    program = decoder()

    def attempt() -> bytes:
        with opened(address, port, secure, limit) as line:
            return _coded(Conversation(line, address, port, path, access_code))

    return decoded(program, limit.persistent(attempt), limit)


def _coded(conversation: Conversation) -> bytes:
    video = conversation.describe()
    finder = PictureFinder(parameter_sets(video.sprop))
    channel = conversation.play(video)
    while True:
        came = conversation.packet()
        found = packet(came.content) if came.channel == channel else None
        if found is not None and found.kind == video.payload_type and (picture := finder.take(found)) is not None:
            with contextlib.suppress(CameraFailed):
                conversation.leave()
            return picture
