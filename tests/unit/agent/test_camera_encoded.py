"""A stream as real encoders make it: High profile, several slices to a picture, most of which need earlier ones."""

import subprocess
import threading
import time

import pytest

from edge_agent.camera.decoding import decoded
from edge_agent.camera.h264 import PictureFinder, packet
from edge_agent.camera.limit import Limit
from local.simulator.rtsps import fragments, rtp
from printpipe.domain import pictures
from tests.ffmpeg import ffmpeg

WIDTH, HEIGHT = 640, 360
GROUP, PICTURES = 6, 15
QUIET = ("-hide_banner", "-loglevel", "error")
DELIMITER = 9
CODED = {1, 5}


def run(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run([ffmpeg(), *QUIET, *arguments], input=given, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(scope="module")
def film() -> bytes:
    """Some pictures, coded (Annex B)."""
    source = ("-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=5", "-frames:v", str(PICTURES))
    options = f"aud=1:slices=4:repeat-headers=1:keyint={GROUP}:scenecut=0:bframes=2"
    coder = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-profile:v", "high", "-x264-params", options)
    try:
        return run(*source, *coder, "-f", "h264", "pipe:1")
    except subprocess.CalledProcessError:
        pytest.skip("this ffmpeg has no encoder for H.264")


def packets_of(film: bytes) -> list[list[bytes]]:
    """The film's packets, picture by picture."""
    units = [each.rstrip(b"\0") for each in film.split(b"\0\0\1") if each.rstrip(b"\0")]
    shown: list[list[bytes]] = []
    for unit in units:
        if unit[0] & 0x1F == DELIMITER:
            shown.append([])
        shown[-1].append(unit)
    sequence, packets = 100, []
    for number, picture in enumerate(shown):
        payloads = [payload for unit in picture for payload in fragments(unit)]
        own = [
            rtp(payload, sequence + place, 3000 * number, marker=place == len(payloads) - 1)
            for place, payload in enumerate(payloads)
        ]
        sequence += len(own)
        packets.append(own)
    return packets


def seen(packets: list[bytes]) -> bytes | None:
    """The picture that is found in the packets, as a JPEG."""
    finder = PictureFinder()
    for content in packets:
        came = packet(content)
        assert came is not None
        if (picture := finder.take(came)) is not None:
            return decoded(ffmpeg(), picture, Limit(20, time.monotonic, threading.Event(), lambda: None))
    return None


def grey(content: bytes, number: int = 0) -> bytes:
    """The brightness of every point of a film's picture."""
    raw = run("-i", "pipe:0", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1", given=content)
    return raw[number * WIDTH * HEIGHT :][: WIDTH * HEIGHT]


def likeness(one: bytes, other: bytes) -> float:
    """The mean difference of brightness."""
    assert len(one) == len(other) == WIDTH * HEIGHT
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def test_the_first_picture_that_stands_by_itself_is_shown(film: bytes) -> None:
    packets = packets_of(film)
    assert len(packets) == PICTURES
    assert max(map(len, packets)) > 4
    jpeg = seen([each for picture in packets[1:] for each in picture])
    assert jpeg is not None
    assert pictures.check(jpeg, "image").width == WIDTH
    assert likeness(grey(jpeg), grey(film, GROUP)) < 3 < likeness(grey(jpeg), grey(film, 0))


def test_a_slice_that_is_lost_costs_its_picture(film: bytes) -> None:
    packets = packets_of(film)
    del packets[GROUP][len(packets[GROUP]) // 2]
    jpeg = seen([each for picture in packets[1:] for each in picture])
    assert jpeg is not None
    assert likeness(grey(jpeg), grey(film, 2 * GROUP)) < 3
