"""Pictures of prints, from simulated printers' cameras to the events in the cloud."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.simulator.camera import picture_of
from local.simulator.farm import Farm, SimulatedPrinter
from printpipe.domain.pictures import check
from tests.ffmpeg import path_with_ffmpeg
from tests.integration.agent_site import ENDED, LONG, SHORT, AgentSite, agent, logged, until

pytestmark = pytest.mark.parametrize("site", ["embedded"], indirect=True)

FRAMES = {hashlib.sha256(picture_of(percent, beat)).hexdigest(): percent for percent in range(101) for beat in (1, 2)}
"""Everything that the JPEG port can show, and at which progress."""
RUNOUT = 0x03008004


class Studio:
    """A site with a printer of either kind of camera, and the agent in a process of its own."""

    def __init__(self, site: AgentSite, farm: Farm, folder: Path, **options: Any) -> None:
        self.site = site
        self.p1s, self.x1c = farm.printers
        timing = options.pop("timing", {})
        self.config = site.write_config(farm.printers, folder / "agent", **timing)
        written = json.loads(self.config.read_text()) | options
        for entry, printer in zip(written["printers"], farm.printers, strict=True):
            entry["camera_port"] = printer.camera_port
        self.config.write_text(json.dumps(written))

    def events(self, kind: str, printer: SimulatedPrinter) -> list[Mapping[str, Any]]:
        """The printer's events of this type."""
        return [each for each in self.site.events(printer=printer) if each["eventType"] == kind]

    def pictured(self, kind: str, printer: SimulatedPrinter, count: int = 1) -> Mapping[str, Any]:
        """The picture of the latest event of this type, once so many have one."""
        until(lambda: sum(each["image"] is not None for each in self.events(kind, printer)) >= count, 30, kind)
        image: Mapping[str, Any] = self.events(kind, printer)[-1]["image"]
        return image

    def place(self, event: str, **wanted: object) -> int:
        """Where the log first has this."""
        lines = logged(self.config)
        return next(at for at, line in enumerate(lines) if line["event"] == event and wanted.items() <= line.items())


NewStudio = Callable[..., Studio]


@pytest.fixture
def studio(site: AgentSite, farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewStudio]:
    """Call it with options of the configuration: the agent runs from then on."""
    monkeypatch.setenv("PATH", path_with_ffmpeg(tmp_path / "bin"))
    with ExitStack() as stack:

        def make(**options: Any) -> Studio:
            made = Studio(site, farm, tmp_path, **options)
            stack.enter_context(agent(made.config))
            return made

        yield make


def test_a_finished_print_is_shown_as_the_camera_saw_it(studio: NewStudio) -> None:
    made = studio()
    job = made.site.start(made.p1s, SHORT)
    made.site.saw(job, "job_completed", 40)
    finish = made.pictured("job_completed", made.p1s)
    assert FRAMES[finish["sha256"]] == 100
    assert made.pictured("first_layer", made.p1s)["sha256"] in FRAMES
    made.site.assert_ended_once(job, "job_completed")


def test_a_printer_in_trouble_is_shown(studio: NewStudio) -> None:
    made = studio()
    job = made.site.start(made.p1s, LONG)
    made.site.saw(job, "first_layer", 40)
    made.p1s.at_screen("pause")
    made.site.saw(job, "job_paused")
    made.p1s.set_hms([(0x03000100, 0x00010001)], print_error=RUNOUT)
    made.pictured("hms_error", made.p1s, 2)
    told = {each["errorData"]["hmsCode"]: each["errorData"] for each in made.events("hms_error", made.p1s)}
    assert set(told) == {"0300_0100_0001_0001", "0300_8004"}
    assert (told["0300_8004"]["severity"], "filament" in told["0300_8004"]["description"]) == ("serious", True)
    assert made.events("job_paused", made.p1s)[0]["image"] is None, "a person paused it"


def test_a_picture_can_be_ordered_from_either_kind_of_camera(studio: NewStudio) -> None:
    made = studio(timing={"picture": 30.0})
    for printer in (made.p1s, made.x1c):
        command = made.site.queue("snapshot", printer)
        assert made.site.ended(command) == "completed", made.site.message(command)
        image = made.pictured("snapshot", printer)
        (event,) = made.events("snapshot", printer)
        assert event["statusData"]["commandId"] == command
        assert f"{image['size']} bytes" in made.site.message(command)
    assert made.pictured("snapshot", made.p1s)["sha256"] in FRAMES
    with made.site.cloud.backend.files.open(made.pictured("snapshot", made.x1c)["gcsPath"]) as stored:
        assert check(stored.read(), "image").width == 320


def test_a_camera_that_cannot_be_looked_through_is_said_so(studio: NewStudio) -> None:
    made = studio(timing={"picture": 2.0})
    made.x1c.set_faults(live_view=False)
    made.p1s.set_faults(camera="busy")
    for printer, words in ((made.x1c, "LAN Only Liveview"), (made.p1s, "another viewer")):
        command = made.site.queue("snapshot", printer)
        assert made.site.ended(command) == "failed"
        assert words in made.site.message(command)
        assert made.events("snapshot", printer) == []


def test_a_camera_that_hangs_delays_no_stop_and_is_given_up(studio: NewStudio) -> None:
    made = studio(timing={"picture": 10.0})
    made.p1s.set_faults(camera="silent")
    job = made.site.start(made.p1s, LONG)
    made.site.saw(job, "first_layer", 40)
    snapshot = made.site.queue("snapshot", made.p1s)
    until(lambda: made.site.status(snapshot) != "pending")
    stop = made.site.queue("stop", made.p1s)
    assert made.site.ended(stop) == "completed"
    assert made.site.ended(snapshot) == "failed"
    until(lambda: bool(logged(made.config, event="picture_failed")))
    order = [
        made.place("first_layer"),
        made.place("command_published", commandId=stop),
        made.place("command_completed", commandId=stop),
        made.place("picture_failed"),
    ]
    assert order == sorted(order)
    assert made.place("command_completed", commandId=stop) < made.place("command_failed", commandId=snapshot)
    made.site.assert_ended_once(job, "job_cancelled")


def test_a_print_is_shown_on_schedule(studio: NewStudio) -> None:
    made = studio(pictures={"on_events": False, "every": 2.5})
    job = made.site.start(made.x1c, LONG)
    made.pictured("snapshot", made.x1c, 2)
    assert {each["printJobId"] for each in made.events("snapshot", made.x1c)} == {job}
    assert made.events("first_layer", made.x1c)[0]["image"] is None


def test_the_access_code_is_seen_nowhere(studio: NewStudio) -> None:
    made = studio()
    seen: set[str] = set()
    me = psutil.Process()

    def is_over(command: str) -> bool:
        for process in me.children(recursive=True):
            with suppress(psutil.Error):
                seen.add(" ".join(process.cmdline()))
        return made.site.status(command) in ENDED

    for command in [made.site.queue("snapshot", made.x1c) for _ in range(3)]:
        until(partial(is_over, command))
        assert made.site.status(command) == "completed"
    made.x1c.set_faults(refuse_password=True)
    refused = made.site.queue("snapshot", made.x1c)
    assert made.site.ended(refused) == "failed"
    assert "refused the access code" in made.site.message(refused)
    assert any("edge_agent" in each for each in seen)
    told = [*seen, (made.config.parent / "agent.log").read_text(), str(made.site.command(refused))]
    assert not [each for each in told if made.x1c.access_code in each]
