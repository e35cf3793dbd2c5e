"""Looks through the cameras of simulated printers: what is seen, and what is said where nothing can be."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.bambu import BambuView
from edge_agent.camera.limit import Limit
from edge_agent.config import PrinterConfig
from edge_agent.drivers.base import CameraFailed
from local.simulator.camera import picture_of
from local.simulator.farm import Farm, SimulatedPrinter
from printpipe.domain import pictures
from tests.ffmpeg import ffmpeg, path_with_ffmpeg
from tests.printer_sections import configured, section

FRAMES = {picture_of(0, beat) for beat in (1, 2)}
"""What the JPEG port of an idle printer shows."""
SECONDS = 10.0
SHORT = 1.5


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with Farm(["P1S", "X1C"], speed=10, state_dir=tmp_path_factory.mktemp("farm")) as farm:
        yield farm


@pytest.fixture(params=[0, 1], ids=["jpeg", "rtsps"])
def printer(request: pytest.FixtureRequest, farm: Farm) -> Iterator[SimulatedPrinter]:
    """Each kind, healthy at first."""
    printer = farm.printers[request.param]
    yield printer
    printer.set_faults(camera="", refuse_password=False)


@pytest.fixture(autouse=True)
def with_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", path_with_ffmpeg(tmp_path / "bin"))


def look(
    printer: SimulatedPrinter,
    *,
    seconds: float = SECONDS,
    rtsp_url: str | None = None,
    code_is_right: bool = True,
    **changes: Any,
) -> bytes:
    """What the agent sees that has this printer in its configuration."""
    view = BambuView(
        configured(printer, **changes),
        address=lambda: printer.host,
        rtsp_url=lambda: rtsp_url,
        code_is_right=lambda: code_is_right,
    )
    return view.look(Limit(seconds, time.monotonic, threading.Event(), lambda: None))


def failure(printer: SimulatedPrinter, **options: Any) -> CameraFailed:
    """How the look ends, which shows nothing."""
    with pytest.raises(CameraFailed) as caught:
        look(printer, **options)
    assert printer.access_code not in f"{caught.value!r} {caught.value.__cause__!r}"
    return caught.value


def brightness(jpeg: bytes) -> list[list[int]]:
    """The picture's grey values, of one point in each block of 16 by 16."""
    command = [ffmpeg(), "-loglevel", "error", "-i", "pipe:0", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
    raw = subprocess.run(command, input=jpeg, stdout=subprocess.PIPE, check=True).stdout
    picture = pictures.check(jpeg, "image")
    return [[raw[y * picture.width + x] for x in range(8, picture.width, 16)] for y in range(8, picture.height, 16)]


def test_a_jpeg_is_the_cameras_own(farm: Farm) -> None:
    assert look(farm.printers[0]) in FRAMES


def test_a_picture_of_the_video_shows_what_the_camera_saw(farm: Farm) -> None:
    seen = brightness(look(farm.printers[1]))
    assert (len(seen), len(seen[0])) == (12, 20)
    assert all(abs(row[5] - next_row[5]) > 4 for row, next_row in pairwise(seen[:9]))
    assert max(seen[9]) < 40


def test_the_printer_may_say_where_its_video_is_but_not_at_whom(farm: Farm) -> None:
    video = farm.printers[1]
    elsewhere = f"rtsps://192.0.2.1:{video.rtsps_port}/streaming/live/1"
    config = PrinterConfig.model_validate(section(video))
    view = BambuView(config, lambda: video.host, lambda: elsewhere, lambda: True)
    assert look(video, rtsp_url=elsewhere)
    assert view.look(Limit(SECONDS, time.monotonic, threading.Event(), lambda: None)).startswith(b"\xff\xd8")


def test_a_video_that_is_switched_off_is_said_with_what_to_do(farm: Farm) -> None:
    off = failure(farm.printers[1], rtsp_url="disable")
    assert (off.code, "LAN Only Liveview" in str(off)) == ("off", True)
    assert failure(farm.printers[1], camera="off").code == "off"
    assert failure(farm.printers[1], rtsp_url=f"rtsps://x:{farm.printers[1].rtsps_port}/other").code == "off"


def test_the_configuration_may_choose_the_port_of_pictures(farm: Farm) -> None:
    assert look(farm.printers[1], camera="jpeg") in FRAMES


def test_without_ffmpeg_it_is_said_how_to_get_it(farm: Farm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = failure(farm.printers[1])
    assert (missing.code, "apt install ffmpeg" in str(missing)) == ("no_ffmpeg", True)
    assert look(farm.printers[0]) in FRAMES


def test_a_wrong_code_is_refused(printer: SimulatedPrinter) -> None:
    assert failure(printer, access_code="00000000", code_is_right=False).code == "refused"
    printer.set_faults(refuse_password=True)
    assert failure(printer, code_is_right=False).code == "refused"


def test_the_code_is_shown_to_no_other_printer(farm: Farm, printer: SimulatedPrinter) -> None:
    other = next(each for each in farm.printers if each is not printer)
    wrong = failure(printer, serial=other.serial[:3] + printer.serial[3:], camera="jpeg")
    assert (wrong.code, "certificate" in str(wrong)) == ("refused", True)


def test_a_port_that_is_closed_is_said_at_once(printer: SimulatedPrinter) -> None:
    closed = failure(printer, camera_port=1, rtsps_port=1)
    assert (closed.code, "cannot be reached" in str(closed)) == ("unreachable", True)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("busy", "busy"),
        ("silent", "unreachable"),
        ("garbage", "unreachable"),
        ("cut", "unreachable"),
        ("slow", "unreachable"),
    ],
)
def test_a_troubled_camera_is_given_up_in_time(printer: SimulatedPrinter, fault: str, code: str) -> None:
    printer.set_faults(camera=fault)
    began = time.monotonic()
    assert failure(printer, seconds=SHORT).code == code
    assert time.monotonic() - began < SHORT + 3


@pytest.mark.parametrize("fault", ["busy", "cut"])
def test_a_camera_that_recovers_is_looked_at_again(printer: SimulatedPrinter, fault: str) -> None:
    printer.set_faults(camera=fault)
    threading.Timer(1.0, printer.set_faults, kwargs={"camera": ""}).start()
    assert look(printer).startswith(b"\xff\xd8")


def test_a_picture_of_which_packets_are_lost_is_not_shown(farm: Farm) -> None:
    video = farm.printers[1]
    video.set_faults(camera="lossy")
    try:
        assert brightness(look(video))[0][0] < 40, "the second picture has a dark corner"
    finally:
        video.set_faults(camera="")


def test_nobody_learns_the_code_from_the_decoder(farm: Farm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program in ffmpeg's place writes down all that it is told."""
    video, told = farm.printers[1], tmp_path / "told"
    script = tmp_path / "spy" / "ffmpeg"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\n{{ echo "$0" "$@"; env; }} > {told}\nexec {ffmpeg()} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    assert look(video).startswith(b"\xff\xd8")
    assert "pipe:0" in told.read_text()
    assert video.access_code not in told.read_text()


def test_a_decoder_that_hangs_or_fails_is_given_up(farm: Farm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "ill" / "ffmpeg"
    script.parent.mkdir()
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    for illness in (f"exec {shutil.which('sleep')} 30", "exit 1", "exec cat"):
        script.write_text(f"#!/bin/sh\n{illness}\n")
        script.chmod(0o755)
        assert failure(farm.printers[1], seconds=3).code == "unreachable"


def test_another_program_sees_the_same_video(farm: Farm, tmp_path: Path) -> None:
    video, picture = farm.printers[1], tmp_path / "picture.jpg"
    where = f"rtsps://bblp:{video.access_code}@{video.host}:{video.rtsps_port}/streaming/live/1"
    command = [
        ffmpeg(),
        "-loglevel",
        "error",
        "-rtsp_transport",
        "tcp",
        "-tls_verify",
        "0",
        "-i",
        where,
        "-frames:v",
        "1",
        str(picture),
    ]
    run = subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=False)
    if b"Protocol not found" in run.stderr:
        pytest.skip("this ffmpeg has no TLS")
    assert run.returncode == 0, run.stderr
    assert len(brightness(picture.read_bytes())) == 12
