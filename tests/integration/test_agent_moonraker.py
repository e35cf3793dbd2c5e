"""A brand that a package brings along, in one file: the agent between a cloud and a simulated Klipper printer."""

import io
import json
import signal
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.steps import Step
from local.sample_print import make_3mf
from tests.counts import SOAK
from tests.integration import moonraker_driver
from tests.integration.agent_site import JOB_ENDS, TIMING, agent, until
from tests.integration.moonraker_printer import KEY, SimulatedMoonraker, simulated_moonraker
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

SERIAL = "VORON-1"
LONGEST_BRAND = 200
"""Lines: what a brand may take."""
KILLED_AT = tuple(
    step
    for step in (Step.UPLOADED, Step.INTENT, Step.PUBLISHING, Step.SENDING, Step.HANDED_OVER, Step.PUBLISHED)
    if SOAK or step in (Step.SENDING, Step.HANDED_OVER)
)
ENTRY_POINTS = "[printpipe_agent.brands]\nmoonraker = tests.integration.moonraker_driver:BRAND\n"


def gcode() -> bytes:
    with zipfile.ZipFile(io.BytesIO(make_3mf("cube", layers=6, seconds=150))) as archive:
        return archive.read("Metadata/plate_1.gcode")


class Site:
    """A cloud and a printer; the agent between them is a process with the brand's package on its path."""

    def __init__(self, cloud: StandInCloud, printer: SimulatedMoonraker, folder: Path) -> None:
        self.cloud = cloud
        self.printer = printer
        self.config = folder / "config.json"
        self.config.touch(mode=0o600)
        cloud.files["f-1"] = gcode()
        self.write()

    def write(self, key: str = KEY, **timing: float) -> None:
        """The agent's configuration, with this key for the printer."""
        described = {
            "type": "moonraker",
            "serial": SERIAL,
            "address": "127.0.0.1",
            "http_port": self.printer.server_port,
            "access_code": key,
        }
        settings = {
            "backend_url": self.cloud.url,
            "api_key": "k",
            "recipient_id": SITE,
            "state_dir": str(self.config.parent / "state"),
            "timing": TIMING | {"pull_wait": 0.5, "poll": 0.1, **timing},
            "printers": [described],
        }
        self.config.write_text(json.dumps(settings))

    def order(self, job: str = "job-1", name: str = "tall vase.gcode", **metadata: Any) -> str:
        """Order the print of the file."""
        return self.cloud.order("start_print", SERIAL, fileName=name, fileId="f-1", printJobId=job, **metadata)

    def order_late(self, job: str, *, before: str) -> str:
        """Order a print as if before that command, which arrived first."""
        command = f"late-{job}"
        metadata = {"fileName": "tall vase.gcode", "fileId": "f-1", "printJobId": job}
        with self.cloud.lock:
            earlier = self.cloud.commands[before]
            late = {"commandId": command, "commandType": "start_print", "lane": "normal", "metadata": metadata}
            self.cloud.commands[command] = {**earlier, **late, "sequence": earlier["sequence"] - 1, "leased": 0.0}
        return command

    def start(self, job: str = "job-1", seconds: float = 1e6) -> None:
        """Order a print and wait until it runs."""
        self.printer.seconds = seconds
        self.cloud.completed(self.order(job))
        self.saw("job_started", job)

    def ended(self, command: str) -> tuple[str, str]:
        """How the command ended, and why."""
        told = self.cloud.result(command)
        return told["status"], told["message"]

    def kinds(self, job: str | None = "job-1") -> list[str]:
        """The types of the job's events, in order."""
        return [event["eventType"] for event in list(self.cloud.events) if event.get("printJobId") == job]

    def saw(self, kind: str, job: str | None = "job-1") -> None:
        """Wait for an event of the job."""
        until(lambda: kind in self.kinds(job), 15, kind)

    def last(self, job: str | None = "job-1") -> dict[str, Any]:
        """The job's last event."""
        return [event for event in self.cloud.events if event.get("printJobId") == job][-1]

    def assert_ended_once(self, kind: str, job: str = "job-1") -> None:
        """The job began once and ended once, so."""
        kinds = self.kinds(job)
        assert [each for each in kinds if each in JOB_ENDS] == [kind], kinds
        assert kinds.count("job_started") <= 1

    @property
    def starts(self) -> int:
        """How often the printer was told to start."""
        return sum(order.startswith("start") for order in self.printer.orders)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site with the brand installed as a package is, and no agent yet."""
    package = tmp_path / "site" / "moonraker_brand-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: moonraker-brand\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    with stand_in_cloud() as cloud, simulated_moonraker() as printer:
        yield Site(cloud, printer, tmp_path)


@pytest.fixture
def running(site: Site) -> Iterator[Site]:
    with agent(site.config):
        yield site


def test_the_brand_is_one_small_file() -> None:
    assert len(Path(moonraker_driver.__file__).read_text().splitlines()) <= LONGEST_BRAND


def test_a_print_from_start_to_finish(running: Site) -> None:
    running.start(seconds=3)
    running.saw("job_completed")
    assert running.kinds() == ["job_preparing", "job_started", "job_completed"]
    (name,) = running.printer.files
    assert name.startswith("tall_vase_")
    assert running.printer.files[name] == gcode()
    assert running.printer.orders == [f"start {name}"]


def test_a_print_that_is_over_before_it_is_looked_at_is_completed(running: Site) -> None:
    running.printer.seconds = 0.01
    running.cloud.completed(running.order())
    running.saw("job_completed")
    running.assert_ended_once("job_completed")


@pytest.mark.parametrize("lost", [set[str](), {"cancel"}], ids=["answered", "its answer lost"])
def test_a_stop_in_mid_print_cancels_it(running: Site, lost: set[str]) -> None:
    running.start()
    running.printer.unanswered |= lost
    assert running.ended(running.cloud.order("stop", SERIAL, printJobId="job-1")) == ("completed", "stopped")
    running.saw("job_cancelled")
    running.assert_ended_once("job_cancelled")
    assert running.last()["errorData"]["reason"] == "stopped_by_command"
    assert running.printer.state == "cancelled"


def test_a_stop_of_one_job_leaves_another_alone(running: Site) -> None:
    running.start()
    status, message = running.ended(running.cloud.order("stop", SERIAL, printJobId="job-other"))
    assert (status, "not printing that job" in message) == ("failed", True)
    assert running.printer.state == "printing"


def test_a_stop_on_its_way_hits_no_print_that_begins_meanwhile(site: Site) -> None:
    site.write(ack_timeout=30)
    with agent(site.config):
        site.start()
        site.printer.may_cancel.clear()
        stop = site.cloud.order("stop", SERIAL, printJobId="job-1")
        until(lambda: site.printer.cancels == 1)
        site.printer.finish()
        site.saw("job_completed")
        late = site.order_late("job-2", before=stop)
        until(lambda: len(site.printer.files) == 2)
        looks = site.printer.looks
        until(lambda: site.printer.looks > looks + 5)
        assert site.starts == 1
        site.printer.may_cancel.set()
        site.ended(stop)
        site.cloud.completed(late)
    assert [order.split()[0] for order in site.printer.orders] == ["start", "cancel", "start"]
    assert site.printer.state == "printing"


def test_a_start_whose_answer_is_lost_is_looked_for_and_never_repeated(running: Site) -> None:
    running.printer.unanswered.add("start")
    running.start()
    assert running.starts == 1
    status, message = running.ended(running.order("job-2"))
    assert (status, "busy" in message) == ("failed", True)
    assert running.starts == 1


def test_a_start_that_the_printer_refuses_is_failed_in_its_words(running: Site) -> None:
    running.printer.refused.add("start")
    status, message = running.ended(running.order())
    assert (status, "no start now (400)" in message) == ("failed", True)
    assert running.kinds() == []


def test_a_start_whose_print_never_shows_is_not_repeated(running: Site) -> None:
    running.printer.unanswered.add("start")
    running.printer.seconds = 1e6
    on = threading.Event()

    def forget() -> None:
        until(lambda: running.starts == 1, 10)
        running.printer.power_cut()
        on.set()

    threading.Thread(target=forget, daemon=True).start()
    status, _ = running.ended(running.order())
    assert on.wait(10)
    assert status in ("unknown", "completed")
    until(lambda: bool(JOB_ENDS & set(running.kinds())), 20)
    running.assert_ended_once("job_failed")
    assert running.starts == 1


def test_pause_and_resume_have_their_effects(running: Site) -> None:
    running.start()
    assert running.ended(running.cloud.order("pause", SERIAL)) == ("completed", "paused")
    assert running.printer.state == "paused"
    assert running.ended(running.cloud.order("resume", SERIAL)) == ("completed", "resumed")
    running.saw("job_resumed")
    assert running.kinds() == ["job_preparing", "job_started", "job_paused", "job_resumed"]


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [("set_temperature", {"nozzleTemp": 200}), ("light_on", {}), ("send_gcode", {"gcode": "M400"})],
)
def test_what_the_brand_has_no_call_for_is_said(running: Site, kind: str, metadata: dict[str, Any]) -> None:
    status, message = running.ended(running.cloud.order(kind, SERIAL, **metadata))
    assert (status, "unsupported: Moonraker has no call" in message) == ("failed", True)
    assert running.printer.orders == []


def test_what_the_printer_cannot_print_is_refused(running: Site) -> None:
    status, message = running.ended(running.order(name="cube.gcode.3mf"))
    assert (status, ".gcode and .gco files only" in message) == ("failed", True)
    running.printer.klipper = "shutdown"
    status, message = running.ended(running.order("job-2"))
    assert (status, "cannot print now" in message) == ("failed", True)
    assert running.printer.orders == []


def test_an_unreachable_printer_tells_the_end_of_its_print_when_it_is_back(running: Site) -> None:
    running.start()
    running.printer.away = True
    running.printer.finish()
    running.printer.away = False
    running.saw("job_completed")
    running.assert_ended_once("job_completed")


def test_a_print_that_a_power_cut_ended_is_failed_once(running: Site) -> None:
    running.start()
    running.printer.away = True
    running.printer.power_cut()
    running.printer.away = False
    running.saw("job_failed")
    running.assert_ended_once("job_failed")
    assert running.last()["errorData"] == {"reason": "lost_track"}


@pytest.mark.parametrize("step", KILLED_AT)
def test_an_agent_killed_in_a_start_never_starts_twice(site: Site, step: Step) -> None:
    with agent(site.config, "--kill-at", step, module="tests.integration.crashing_agent") as process:
        command = site.order()
        assert process.wait(15) == -signal.SIGKILL
    began = site.starts
    with site.cloud.lock:
        site.cloud.commands[command]["leased"] = 0.0
    with agent(site.config):
        status, _ = site.ended(command)
        if status == "unknown":
            assert (step, began, site.starts) == (Step.SENDING, 0, 0)
            return
        assert (status, site.starts) == ("completed", 1)
        site.printer.at_screen("cancel")
        site.saw("job_cancelled")
    assert site.kinds() == ["job_preparing", "job_started", "job_cancelled"]


def test_what_happens_at_the_screen_is_told_as_such(running: Site) -> None:
    running.start()
    running.printer.at_screen("cancel")
    running.saw("job_cancelled")
    assert running.last()["errorData"] == {"reason": "cancelled_at_printer"}
    running.printer.at_screen("start", "benchy.gcode")
    running.saw("job_started", None)
    told = running.last(None)
    assert told["statusData"] == {"fileName": "benchy.gcode", "external": True}
    assert "started at the printer" in told["message"]


def test_a_print_goes_on_being_followed_after_the_agents_restart(site: Site) -> None:
    with agent(site.config):
        site.start()
    site.printer.at_screen("pause")
    with agent(site.config):
        site.saw("job_paused")
        site.printer.at_screen("cancel")
        site.saw("job_cancelled")
    assert site.kinds() == ["job_preparing", "job_started", "job_paused", "job_cancelled"]


def test_a_print_begun_at_the_screen_is_followed_after_the_agents_restart(site: Site) -> None:
    with agent(site.config):
        until(lambda: site.printer.looks > 1)
        site.printer.at_screen("start", "benchy.gcode")
        site.saw("job_started", None)
    with agent(site.config):
        site.printer.at_screen("cancel")
        site.saw("job_cancelled", None)
        site.start("job-1")
    with agent(site.config):
        site.printer.at_screen("pause")
        site.saw("job_paused")
    assert site.kinds(None) == ["job_preparing", "job_started", "job_cancelled"]
    assert site.kinds() == ["job_preparing", "job_started", "job_paused"]


def test_its_files_and_its_connection_are_at_hand(running: Site) -> None:
    running.printer.files["vase.gcode"] = b"G28\n"
    told = running.cloud.completed(running.cloud.order("list_files", SERIAL))
    assert [file["path"] for file in told["files"]] == ["/vase.gcode"]
    assert running.cloud.completed(running.cloud.order("test_connection", SERIAL))["firmwareVersion"] == "v0.12.0"


def test_a_wrong_key_is_said(site: Site) -> None:
    site.write("wrong")
    with agent(site.config):
        status, message = site.ended(site.order())
    assert (status, "refuses the access code" in message) == ("failed", True)
    assert site.printer.orders == []
