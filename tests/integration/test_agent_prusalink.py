"""The agent between a cloud and a simulated printer with PrusaLink."""

import hashlib
import io
import json
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.steps import Step
from local.simulator.farm import Farm
from local.simulator.prusa_printer import SimulatedPrusa
from tests.counts import SOAK
from tests.integration.agent_site import LONG, SHORT, AgentSite, Started, agent, logged, until
from tests.integration.conftest import NewSite
from tests.printer_sections import section

UNDECIDABLE = frozenset({Step.SENDING, Step.HANDED_OVER})
"""Where a killed start may have gone out or not: then the printer decides, and an unseen start is `unknown`."""
KILLED_AT = tuple(
    step
    for step in (Step.UPLOADED, Step.INTENT, Step.PUBLISHING, Step.PUBLISHED, Step.HANDED_OVER, Step.SENDING)
    if SOAK or step in UNDECIDABLE
)
"""The last may leave a start that nobody knows of: for a while the printer is then not started again."""
MOVING = ("PRINTING", "PAUSED")


def gcode(project: bytes) -> bytes:
    """The G-code inside a sliced 3MF."""
    with zipfile.ZipFile(io.BytesIO(project)) as archive:
        return archive.read("Metadata/plate_1.gcode")


BRIEF, ENDLESS = gcode(SHORT), gcode(LONG)


class PrusaSite:
    """A site with one printer; its agent is run by the tests."""

    def __init__(self, site: AgentSite, printer: SimulatedPrusa, folder: Path) -> None:
        self.site = site
        self.printer = printer
        self.serial = printer.serial
        self.config = site.write_config([], folder, poll=0.1)
        self.configure([section(printer)])

    def configure(self, printers: list[dict[str, Any]]) -> None:
        """Write these printers into the agent's configuration."""
        self.config.write_text(json.dumps(json.loads(self.config.read_text()) | {"printers": printers}))

    @property
    def state(self) -> str:
        """What the printer itself shows."""
        return str(self.printer.inspect()["state"])

    @property
    def starts(self) -> int:
        """How often it was started."""
        return len(self.printer.inspect()["starts"])

    def queue(self, kind: str, metadata: dict[str, Any] | None = None, *, lifetime: float | None = None) -> str:
        """Queue a command for the printer."""
        return self.site.queue(kind, self.serial, metadata, lifetime=lifetime)

    def order(self, content: bytes = ENDLESS, name: str = "tall vase.gcode", **metadata: Any) -> Started:
        """Upload a file and order its print."""
        job = str(self.site.cloud.upload(self.site.recipient, content=content, name=name)["fileId"])
        return Started(self.queue("start_print", {"fileName": name, "fileId": job, **metadata}), job)

    def start(self, content: bytes = ENDLESS) -> str:
        """Order a print and wait until it is printed; the job."""
        ordered = self.order(content)
        assert self.site.ended(ordered.command) == "completed", self.site.message(ordered.command)
        self.site.saw(ordered.job, "job_started")
        return ordered.job

    def done(self, kind: str, metadata: dict[str, Any] | None = None) -> str:
        """Queue a command that must complete; the message."""
        command = self.queue(kind, metadata)
        assert self.site.ended(command) == "completed", f"{kind}: {self.site.message(command)}"
        return self.site.message(command)

    def refused(self, command: str) -> str:
        """The message of a command that must fail."""
        assert self.site.ended(command) == "failed"
        return self.site.message(command)

    def states(self) -> list[str]:
        """The printer's states as they were reported."""
        found = self.site.cloud.documents("printer_status_updates", self.site.recipient)
        return [each.data["status"]["state"] for each in sorted(found, key=lambda each: each.data["createdAt"])]

    def settle(self, ordered: Started, killed_at: Step) -> None:
        """A start in which the agent was killed comes to its one end; what it prints is cancelled at the screen."""
        self.site.redeliver(ordered.command)
        ended = self.site.ended(ordered.command)
        began = [start for start in self.printer.inspect()["starts"] if start["file"] == self.name_of(ordered)]
        if killed_at in UNDECIDABLE and not began:
            assert (ended, self.site.job(ordered.job)) == ("unknown", "unknown")
            return
        assert (ended, len(began)) == ("completed", 1), self.site.message(ordered.command)
        self.printer.at_screen("cancel")
        self.site.saw(ordered.job, "job_cancelled")
        assert self.site.kinds(ordered.job) == ["job_preparing", "job_started", "job_cancelled"]

    def name_of(self, ordered: Started) -> str:
        """The name that the order's file has on the printer."""
        return f"tall_vase_{hashlib.sha256(ordered.command.encode()).hexdigest()[:8]}.gcode"


@pytest.fixture(scope="module")
def running(embedded_sites: NewSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrusaSite]:
    """A site whose agent runs."""
    folder = tmp_path_factory.mktemp("prusa")
    with Farm(["CoreOne"], speed=300, state_dir=folder / "farm") as farm:
        here = PrusaSite(embedded_sites(), farm.prusas[0], folder / "agent")
        with agent(here.config):
            yield here


@pytest.fixture
def busy(running: PrusaSite) -> Iterator[PrusaSite]:
    """The same, and whatever is printed in the test is stopped at its end."""
    yield running
    running.done("stop")
    until(lambda: running.state not in MOVING)


@pytest.fixture
def alone(embedded_sites: NewSite, tmp_path: Path) -> Iterator[PrusaSite]:
    """A site without a running agent."""
    with Farm(["CoreOne"], speed=300, state_dir=tmp_path / "farm") as farm:
        yield PrusaSite(embedded_sites(), farm.prusas[0], tmp_path / "agent")


def test_a_print_from_start_to_finish(running: PrusaSite) -> None:
    site, before = running.site, running.starts
    job = running.start(BRIEF)
    site.saw(job, "job_completed")
    assert site.kinds(job) == ["job_preparing", "job_started", "job_completed"]
    site.assert_ended_once(job, "job_completed")
    until(lambda: running.states()[-1] == "completed", 5)
    assert "printing" in running.states()
    assert running.starts == before + 1
    steps = [line["event"] for line in logged(running.config, printJobId=job)]
    walk = ["command_claimed", "file_fetched", "file_uploaded", "command_published", "effect_seen"]
    assert [step for step in steps if step in walk] == walk
    assert running.printer.inspect()["files"][-1]["size"] == len(BRIEF)


def test_pause_resume_and_stop_have_their_effects(busy: PrusaSite) -> None:
    site, job = busy.site, busy.start()
    assert busy.done("pause") == "paused"
    assert busy.state == "PAUSED"
    assert "already" in busy.done("pause")
    until(lambda: site.job(job) == "paused", 10)
    assert busy.done("resume") == "resumed"
    until(lambda: site.job(job) == "printing", 10)
    assert "not printing that job" in busy.refused(busy.queue("stop", {"printJobId": "job-other"}))
    assert busy.state == "PRINTING"
    assert busy.done("stop", {"printJobId": job}) == "stopped"
    site.saw(job, "job_cancelled")
    site.assert_ended_once(job, "job_cancelled")
    assert site.events(job=job)[-1]["errorData"]["reason"] == "stopped_by_command"
    assert busy.state == "STOPPED"
    assert busy.done("stop") == "nothing was printing"


def test_a_message_delivered_again_and_again_has_one_effect(busy: PrusaSite) -> None:
    before = busy.starts
    ordered = busy.order()
    for _ in range(3):
        busy.site.redeliver(ordered.command)
    assert busy.site.ended(ordered.command) == "completed"
    busy.site.redeliver(ordered.command)
    assert "busy" in busy.refused(busy.order(gcode(SHORT) + b"; other\n").command)
    assert busy.starts == before + 1


def test_a_start_whose_answer_is_lost_is_looked_for_and_not_repeated(busy: PrusaSite) -> None:
    before = busy.starts
    busy.printer.set_faults(drop_after_start=True)
    busy.start()
    assert busy.starts == before + 1


def test_what_happens_at_the_screen_is_told(busy: PrusaSite) -> None:
    site, job = busy.site, busy.start()
    busy.printer.set_faults(attention=True)
    site.saw(job, "job_paused")
    assert "screen" in busy.refused(busy.queue("resume"))
    busy.printer.set_faults(attention=False)
    site.saw(job, "job_resumed")
    busy.printer.at_screen("cancel")
    site.saw(job, "job_cancelled")
    assert site.events(job=job)[-1]["errorData"] == {"reason": "cancelled_at_printer"}
    site.assert_ended_once(job, "job_cancelled")


@pytest.mark.parametrize("speed", [8, 0.4], ids=["shown in time", "shown after the stop"])
def test_a_stop_ends_a_print_that_the_printer_does_not_show_yet(busy: PrusaSite, speed: float) -> None:
    before = busy.starts
    busy.printer.set_speed(speed)
    ordered = busy.order()
    until(lambda: busy.starts == before + 1)
    assert busy.state not in MOVING
    assert busy.done("stop", {"printJobId": ordered.job}) == "stopped"
    busy.printer.set_speed(300)
    until(lambda: busy.state == "STOPPED")
    busy.site.saw(ordered.job, "job_cancelled")
    busy.site.assert_ended_once(ordered.job, "job_cancelled")
    assert busy.site.ended(ordered.command) in ("completed", "failed")
    assert busy.starts == before + 1


def test_a_stop_ends_a_print_that_the_busy_printer_hides(busy: PrusaSite) -> None:
    job = busy.start()
    busy.printer.set_faults(busy=True)
    until(lambda: busy.states()[-1] == "preparing", 5)
    stop = busy.queue("stop", {"printJobId": job})
    until(lambda: any(each["command"] == "stop" for each in busy.printer.inspect()["commands"][-2:]), 5)
    busy.printer.set_faults(busy=False)
    assert busy.site.ended(stop) == "completed", busy.site.message(stop)
    busy.site.assert_ended_once(job, "job_cancelled")


def test_what_cannot_be_is_failed_with_the_reason(running: PrusaSite) -> None:
    before = running.starts
    commands = {
        kind: running.queue(kind, metadata)
        for kind, metadata in (
            ("set_temperature", {"nozzleTemp": 200}),
            ("light_on", {}),
            ("pause", {}),
            ("send_gcode", {"gcode": "M400"}),
        )
    }
    assert "nothing is printing" in running.refused(commands.pop("pause"))
    for command in commands.values():
        assert "unsupported: PrusaLink" in running.refused(command)
    project = running.order(SHORT, "cube.gcode.3mf")
    assert ".gcode and .bgcode files only" in running.refused(project.command)
    running.printer.set_faults(disk_full=True)
    full = running.order(BRIEF + b"; for a full drive\n")
    assert "USB drive full" in running.refused(full.command)
    running.printer.set_faults(disk_full=False)
    assert running.site.job(full.job) == "failed"
    assert running.starts == before


def test_an_unreachable_printer_is_offline_and_its_print_is_told_when_it_is_back(running: PrusaSite) -> None:
    site = running.site
    job = running.start(BRIEF + b"; in an outage\n")
    running.printer.set_faults(unreachable=True)
    until(lambda: running.states()[-1] == "offline", 5)
    until(lambda: running.state == "FINISHED", 10)
    running.printer.set_faults(unreachable=False)
    site.saw(job, "job_completed")
    site.assert_ended_once(job, "job_completed")
    until(lambda: running.states()[-1] == "completed", 5)


def test_a_stop_waits_for_a_printer_that_is_away(busy: PrusaSite) -> None:
    job = busy.start()
    busy.printer.set_faults(unreachable=True)
    stop = busy.queue("stop", lifetime=60)
    until(lambda: busy.states()[-1] == "offline", 5)
    busy.printer.set_faults(unreachable=False)
    assert busy.site.ended(stop) == "completed", busy.site.message(stop)
    assert busy.state == "STOPPED"
    busy.site.saw(job, "job_cancelled")
    busy.site.assert_ended_once(job, "job_cancelled")


def test_a_printer_that_is_not_the_one_is_left_alone(embedded_sites: NewSite, tmp_path: Path) -> None:
    with Farm(["CoreOne", "CoreOne"], speed=300, state_dir=tmp_path / "farm") as farm:
        guarded, mistaken = farm.prusas
        here = PrusaSite(embedded_sites(), guarded, tmp_path / "agent")
        here.configure([section(guarded, access_code="wrong"), section(mistaken, serial="10589-elsewhere")])
        with agent(here.config):
            until(lambda: here.states().count("offline") == 2)
            wrong_key = here.order(BRIEF)
            here.serial = "10589-elsewhere"
            wrong_printer = here.order(BRIEF + b"; the other\n")
            assert "refuses the access code" in here.refused(wrong_key.command)
            assert "another printer answers" in here.refused(wrong_printer.command)
            assert [each.inspect()["starts"] for each in farm.prusas] == [[], []]


def test_an_agent_killed_in_starts_starts_once_or_says_that_it_does_not_know(alone: PrusaSite) -> None:
    orders: list[Started] = []
    for step in KILLED_AT:
        spared = [each.command for each in orders]
        with agent(
            alone.config, "--kill-at", step, "--spare", *spared, module="tests.integration.crashing_agent"
        ) as process:
            if orders:
                alone.settle(orders[-1], KILLED_AT[len(orders) - 1])
            orders.append(alone.order())
            assert process.wait(15) == -signal.SIGKILL
    with agent(alone.config):
        alone.settle(orders[-1], KILLED_AT[-1])
    names = [start["file"] for start in alone.printer.inspect()["starts"]]
    assert len(set(names)) == len(names)
