"""The agent between a cloud and simulated printers: every command, on both generations of printers."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from printpipe.services.files.tickets import MAX_INLINE_BYTES
from tests.backends import google
from tests.integration.agent_site import LONG, SHORT, AgentSite, agent, logged, sites, until

pytestmark = pytest.mark.emulators


class RunningSite:
    """A site whose agent runs, with two printers."""

    def __init__(self, site: AgentSite, farm: Farm, config: Path) -> None:
        self.site = site
        self.printers = {printer.model: printer for printer in farm.printers}
        self.config = config

    def done(self, kind: str, printer: SimulatedPrinter, metadata: dict[str, Any] | None = None) -> str:
        """Queue a command that must complete; the message."""
        command = self.site.queue(kind, printer, metadata)
        assert self.site.ended(command) == "completed", f"{kind}: {self.site.message(command)}"
        return self.site.message(command)

    def refused(self, kind: str, printer: SimulatedPrinter | str, metadata: dict[str, Any] | None = None) -> str:
        """Queue a command that must fail; the message."""
        command = self.site.queue(kind, printer, metadata)
        assert self.site.ended(command) == "failed", kind
        return self.site.message(command)

    def refused_start(self, printer: SimulatedPrinter, content: bytes = SHORT, **metadata: Any) -> str:
        """Order a print that must fail, and its job with it; the message."""
        ordered = self.site.order(printer, content, **metadata)
        assert self.site.ended(ordered.command) == "failed"
        assert self.site.job(ordered.job) == "failed"
        return self.site.message(ordered.command)

    def free(self, printer: SimulatedPrinter) -> None:
        """Stop whatever runs."""
        self.done("stop", printer)
        until(lambda: printer.inspect()["gcode_state"] not in ("PREPARE", "RUNNING", "PAUSE"))


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    folder = tmp_path_factory.mktemp("site")
    with (
        google(request.getfixturevalue("emulators")) as backend,
        sites(backend, folder) as new_site,
        Farm(["P1S", "X1C"], speed=120, state_dir=folder / "farm") as farm,
    ):
        site = new_site()
        config = site.write_config(farm.printers, folder / "agent")
        with agent(config):
            yield RunningSite(site, farm, config)


@pytest.fixture(params=["P1S", "X1C"])
def printer(request: pytest.FixtureRequest, running: RunningSite) -> Iterator[SimulatedPrinter]:
    chosen = running.printers[request.param]
    yield chosen
    running.free(chosen)


def test_a_print_from_start_to_finish(running: RunningSite, printer: SimulatedPrinter) -> None:
    site, before = running.site, len(printer.inspect()["starts"])
    job = site.start(printer, SHORT)
    running.site.saw(job, "job_completed", 30)
    assert site.kinds(job) == ["job_preparing", "job_started", "first_layer", "job_completed"]
    site.assert_ended_once(job, "job_completed")
    until(lambda: site.states(printer)[-1] == "completed", 5)
    assert "printing" in site.states(printer)
    assert len(printer.inspect()["starts"]) == before + 1
    steps = [line["event"] for line in logged(running.config, printJobId=job)]
    walk = ["command_claimed", "file_fetched", "file_uploaded", "command_published", "effect_seen"]
    assert [step for step in steps if step in walk] == walk


def test_the_commands_have_their_effects(running: RunningSite, printer: SimulatedPrinter) -> None:
    job = running.site.start(printer)
    running.site.saw(job, "job_started")
    running.done("pause", printer)
    assert printer.inspect()["gcode_state"] == "PAUSE"
    until(lambda: running.site.job(job) == "paused", 10)
    assert "already" in running.done("pause", printer)
    running.done("resume", printer)
    assert printer.inspect()["gcode_state"] in ("PREPARE", "RUNNING")
    until(lambda: running.site.job(job) == "printing", 10)
    running.done("setSpeed", printer, {"percent": 166})
    assert printer.inspect()["speed_level"] == 4
    running.done("heat", printer, {"nozzleTemp": 235, "bedTemp": 70})
    assert (printer.inspect()["nozzle_target"], printer.inspect()["bed_target"]) == (235, 70)
    running.done("set_fan", printer, {"percent": 40})
    assert printer.inspect()["fans"]["part"] == pytest.approx(40, abs=4)
    running.done("light_on", printer)
    assert printer.inspect()["light"] in ("on", True)
    running.done("light_off", printer)
    assert printer.inspect()["light"] in ("off", False)
    running.done("send_gcode", printer, {"gcode": "M400"})
    assert "95 %" in running.done("set_flow_rate", printer, {"percent": 95})
    assert "printing" in running.refused("home", printer)
    running.done("cancel", printer)
    assert printer.inspect()["gcode_state"] in ("FAILED", "IDLE")
    running.site.saw(job, "job_cancelled")
    running.site.assert_ended_once(job, "job_cancelled")
    running.done("home", printer)
    assert printer.inspect()["homed"]
    running.done("cooldown", printer)
    assert (printer.inspect()["nozzle_target"], printer.inspect()["bed_target"]) == (0, 0)


def test_a_download_brings_the_file_before_its_start(running: RunningSite, printer: SimulatedPrinter) -> None:
    site, content = running.site, make_3mf(f"for {printer.model}", layers=6, seconds=150)
    uploaded = site.cloud.upload(site.recipient, content=content, name="cube.gcode.3mf")
    file_id = uploaded["fileId"]
    assert uploaded["sha256"] in running.done("download", printer, {"fileId": file_id})
    assert (site.job(file_id), site.fetches(file_id)) == ("held", 1)
    running.done("start_print", printer, {"fileName": "cube.gcode.3mf", "fileId": file_id})
    assert site.fetches(file_id) == 1
    site.saw(file_id, "job_started")


def test_a_start_while_printing_is_refused_and_disturbs_nothing(
    running: RunningSite, printer: SimulatedPrinter
) -> None:
    running.site.start(printer)
    starts = len(printer.inspect()["starts"])
    assert "busy" in running.refused_start(printer)
    assert len(printer.inspect()["starts"]) == starts
    assert printer.inspect()["gcode_state"] in ("PREPARE", "RUNNING")


def test_a_message_delivered_again_and_again_has_one_effect(running: RunningSite, printer: SimulatedPrinter) -> None:
    site, before = running.site, len(printer.inspect()["starts"])
    ordered = site.order(printer, make_3mf(f"again on {printer.model}", layers=60, seconds=20000))
    for _ in range(3):
        site.redeliver(ordered.command)
    assert site.ended(ordered.command) == "completed"
    stands = site.command(ordered.command)
    sent = len(logged(running.config, event="result_sent", commandId=ordered.command))
    for _ in range(3):
        site.redeliver(ordered.command)
    until(
        lambda: len(logged(running.config, event="result_sent", commandId=ordered.command)) > max(sent, 1),
        10,
        "the known result is sent again",
    )
    assert site.command(ordered.command) == stands
    assert len(printer.inspect()["starts"]) == before + 1
    assert site.fetches(ordered.job) == 1


def test_a_stop_for_another_job_has_no_effect(running: RunningSite, printer: SimulatedPrinter) -> None:
    assert running.done("stop", printer) == "nothing was printing"
    job = running.site.start(printer)
    assert "not printing that job" in running.refused("stop", printer, {"printJobId": "job-other"})
    assert printer.inspect()["gcode_state"] in ("PREPARE", "RUNNING")
    assert running.done("stop", printer, {"printJobId": job}) == "stopped"
    running.site.saw(job, "job_cancelled")
    running.site.assert_ended_once(job, "job_cancelled")


def test_a_cancel_at_the_screen_is_told_once_with_its_reason(running: RunningSite, printer: SimulatedPrinter) -> None:
    job = running.site.start(printer)
    running.site.saw(job, "job_started")
    printer.at_screen("cancel")
    running.site.saw(job, "job_cancelled")
    assert running.site.events(job=job)[-1]["errorData"] == {"reason": "cancelled_at_printer"}
    running.site.assert_ended_once(job, "job_cancelled")


def test_a_print_that_fails_is_told_with_its_code(running: RunningSite, printer: SimulatedPrinter) -> None:
    job = running.site.start(printer)
    running.site.saw(job, "job_started")
    printer.fail(0x03008003)
    running.site.saw(job, "job_failed")
    running.site.assert_ended_once(job, "job_failed")
    assert "0300" in str(running.site.events(job=job)[-1]["errorData"])


def test_hms_entries_are_told_once_and_cleared_once(running: RunningSite, printer: SimulatedPrinter) -> None:
    before = len(running.site.events(printer=printer))

    def new() -> list[Any]:
        events = running.site.events(printer=printer)[before:]
        return [event for event in events if event["eventType"].startswith("hms")]

    printer.set_hms([(0x03000300, 0x00020003)])
    until(lambda: len(new()) == 1, 10)
    error = new()[0]
    assert (error["eventType"], error["errorData"]["hmsCode"]) == ("hms_error", "0300_0300_0002_0003")
    assert (error["errorData"]["severity"], error["errorData"]["module"]) == ("critical", "hotbed")
    printer.set_hms([])
    until(lambda: [event["eventType"] for event in new()] == ["hms_error", "hms_cleared"], 10)


def test_what_cannot_be_is_failed_with_the_reason(running: RunningSite) -> None:
    printer = running.printers["P1S"]
    starts = len(printer.inspect()["starts"])
    assert "name the AMS slot" in running.refused("load_filament", printer)
    assert "no file" in running.refused("start_print", printer, {"fileName": "a.3mf"})
    assert "percent" in running.refused("set_speed", printer, {"percent": 300})
    assert "plate_7" in running.refused_start(printer, plateIndex=7)
    assert "no printer" in running.refused("pause", "01P00A999999999")
    assert len(printer.inspect()["starts"]) == starts


def test_developer_mode_off_is_said_plainly(running: RunningSite) -> None:
    printer = running.printers["P1S"]
    printer.set_faults(developer_mode=False)
    try:
        assert "Developer Mode" in running.refused("set_speed", printer, {"percent": 50})
        assert "Developer Mode" in running.refused_start(printer)
    finally:
        printer.set_faults(developer_mode=True)
        printer.set_hms([])


def test_a_start_that_is_merely_repeated_without_developer_mode_is_said_plainly(running: RunningSite) -> None:
    printer = running.printers["P1S"]
    starts = len(printer.inspect()["starts"])
    printer.set_faults(developer_mode=False, bare_refusals=True)
    try:
        assert "Developer Mode" in running.refused_start(printer)
    finally:
        printer.set_faults(developer_mode=True, bare_refusals=False)
        printer.set_hms([])
    assert len(printer.inspect()["starts"]) == starts


def test_a_full_disk_fails_the_start_and_leaves_no_half_file(running: RunningSite) -> None:
    printer = running.printers["P1S"]
    names = {file["name"] for file in printer.inspect()["files"]}
    printer.set_faults(disk_full=True)
    try:
        assert "upload" in running.refused_start(printer)
    finally:
        printer.set_faults(disk_full=False)
    assert {file["name"] for file in printer.inspect()["files"]} == names


def test_a_file_already_here_is_not_fetched_again(running: RunningSite) -> None:
    printer = running.printers["X1C"]
    content = make_3mf("twice", layers=3, seconds=900)
    first = running.site.start(printer, content)
    running.free(printer)
    second = running.site.start(printer, content)
    assert [running.site.fetches(first), running.site.fetches(second)] == [1, 0]
    assert len({start["subtask_name"] for start in printer.inspect()["starts"][-2:]}) == 2
    running.free(printer)


def test_a_large_file_comes_by_its_download_address(running: RunningSite) -> None:
    printer = running.printers["P1S"]
    head = b"; total layer number: 20\n; total estimated time: 30m 0s\nM104 S220\nM140 S55\n"
    content = head + b"".join(b"G1 X%.3f Y%.3f E%.5f\n" % (i % 50, i % 37, i / 100) for i in range(900_000))
    assert len(content) > MAX_INLINE_BYTES
    job = running.site.start(printer, content, "large.gcode")
    assert printer.inspect()["files"][-1]["size"] == len(content)
    running.site.saw(job, "job_started")
    running.free(printer)


def test_a_plain_gcode_file_is_printed_too(running: RunningSite) -> None:
    printer = running.printers["P1S"]
    with zipfile.ZipFile(io.BytesIO(LONG)) as archive:
        gcode = archive.read("Metadata/plate_1.gcode")
    job = running.site.start(printer, gcode, "tower.gcode")
    running.site.saw(job, "job_started")
    assert printer.inspect()["files"][-1]["name"].endswith(".gcode")
    running.free(printer)
    running.site.saw(job, "job_cancelled")
    running.site.assert_ended_once(job, "job_cancelled")
