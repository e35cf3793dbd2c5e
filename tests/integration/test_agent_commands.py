"""The agent between a cloud and simulated printers: every command, on both generations of printers."""

import io
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_cloud import AgentCloud
from tests.integration.agent_site import agent, logged, until, write_config

SHORT = make_3mf("cube", layers=4, seconds=120)
LONG = make_3mf("tower", layers=60, seconds=15000)


@dataclass
class Site:
    """A running agent with two printers."""

    cloud: AgentCloud
    printers: dict[str, SimulatedPrinter]
    config: Path

    def done(self, kind: str, printer: SimulatedPrinter, metadata: dict[str, object] | None = None) -> str:
        """Queue a command that must complete; the message."""
        command = self.cloud.ended(self.cloud.queue(kind, printer.serial, metadata))
        assert command.status == "completed", f"{kind}: {command.message}"
        return command.message

    def refused(self, kind: str, printer: SimulatedPrinter, metadata: dict[str, object] | None = None) -> str:
        """Queue a command that must fail; the message."""
        command = self.cloud.ended(self.cloud.queue(kind, printer.serial, metadata))
        assert command.status == "failed", f"{kind}: {command.status}"
        return command.message

    def start(self, printer: SimulatedPrinter, job: str, file: bytes = LONG) -> str:
        """Start a print and wait until it is on the printer; the command's id."""
        command_id = self.cloud.queue("start_print", printer.serial, {"printJobId": job}, file=file)
        command = self.cloud.ended(command_id)
        assert command.status == "completed", command.message
        return command_id

    def free(self, printer: SimulatedPrinter) -> None:
        """Stop whatever runs."""
        self.done("stop", printer)
        until(lambda: printer.inspect()["gcode_state"] not in ("PREPARE", "RUNNING", "PAUSE"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with Farm(["P1S", "X1C"], speed=120, state_dir=folder / "farm") as farm, AgentCloud(ack_deadline=5.0) as cloud:
        config = write_config(cloud, farm.printers, folder / "agent")
        with agent(config):
            yield Site(cloud, {printer.model: printer for printer in farm.printers}, config)


@pytest.fixture(params=["P1S", "X1C"])
def printer(request: pytest.FixtureRequest, site: Site) -> Iterator[SimulatedPrinter]:
    chosen = site.printers[request.param]
    yield chosen
    site.free(chosen)


def test_a_print_from_start_to_finish(site: Site, printer: SimulatedPrinter) -> None:
    job = f"job-whole-{printer.model}"
    site.start(printer, job, SHORT)
    until(lambda: "job_completed" in site.cloud.event_kinds(printer.serial, job), 30)
    assert site.cloud.event_kinds(printer.serial, job) == [
        "job_preparing",
        "job_started",
        "first_layer",
        "job_completed",
    ]
    states = [s["status"]["state"] for s in site.cloud.statuses if s["printerSerial"] == printer.serial]
    assert "printing" in states
    until(lambda: site.cloud.statuses[-1]["status"]["state"] == "completed", 5)
    steps = [line["event"] for line in logged(site.config) if line.get("printJobId") == job]
    walk = ["command_received", "command_claimed", "file_fetched", "file_uploaded", "command_published", "effect_seen"]
    assert [step for step in steps if step in walk][:5] == walk[1:]


def test_the_commands_have_their_effects(site: Site, printer: SimulatedPrinter) -> None:
    site.start(printer, f"job-effects-{printer.model}")
    site.done("pause", printer)
    assert printer.inspect()["gcode_state"] == "PAUSE"
    assert "already" in site.done("pause", printer)
    site.done("resume", printer)
    assert printer.inspect()["gcode_state"] in ("PREPARE", "RUNNING")
    site.done("set_speed", printer, {"percent": 166})
    assert printer.inspect()["speed_level"] == 4
    site.done("set_temperature", printer, {"nozzleTemp": 235, "bedTemp": 70})
    assert (printer.inspect()["nozzle_target"], printer.inspect()["bed_target"]) == (235, 70)
    site.done("set_fan", printer, {"percent": 40})
    assert printer.inspect()["fans"]["part"] == pytest.approx(40, abs=4)
    site.done("light_on", printer)
    assert printer.inspect()["light"] in ("on", True)
    site.done("light_off", printer)
    assert printer.inspect()["light"] in ("off", False)
    site.done("send_gcode", printer, {"gcode": "M400"})
    assert "printing" in site.refused("home", printer)
    site.done("stop", printer)
    assert printer.inspect()["gcode_state"] in ("FAILED", "IDLE")
    site.done("home", printer)
    assert printer.inspect()["homed"]
    site.done("cooldown", printer)
    assert (printer.inspect()["nozzle_target"], printer.inspect()["bed_target"]) == (0, 0)


def test_a_start_while_printing_is_refused_and_disturbs_nothing(site: Site, printer: SimulatedPrinter) -> None:
    site.start(printer, f"job-first-{printer.model}")
    starts = len(printer.inspect()["starts"])
    second = site.cloud.queue("start_print", printer.serial, {"printJobId": "job-second"}, file=SHORT)
    command = site.cloud.ended(second)
    assert (command.status, "busy" in command.message) == ("failed", True)
    assert len(printer.inspect()["starts"]) == starts
    assert printer.inspect()["gcode_state"] in ("PREPARE", "RUNNING")


def test_a_message_delivered_again_and_again_has_one_effect(site: Site, printer: SimulatedPrinter) -> None:
    before = len(printer.inspect()["starts"])
    start = site.cloud.queue(
        "start_print", printer.serial, {"printJobId": f"job-again-{printer.model}"}, file=LONG, publish=3
    )
    assert site.cloud.ended(start).status == "completed"
    results = len(site.cloud.commands[start].results)
    for _ in range(3):
        site.cloud.publish(start)
    until(lambda: len(site.cloud.commands[start].results) > results, 10, "the known result is sent again")
    assert len(printer.inspect()["starts"]) == before + 1
    assert site.cloud.fetches.count(start) <= 1


def test_a_stop_for_another_job_has_no_effect(site: Site, printer: SimulatedPrinter) -> None:
    assert site.done("stop", printer) == "nothing was printing"
    site.start(printer, f"job-mine-{printer.model}")
    assert "not printing that job" in site.refused("stop", printer, {"printJobId": "job-other"})
    assert printer.inspect()["gcode_state"] in ("PREPARE", "RUNNING")
    assert site.done("stop", printer, {"printJobId": f"job-mine-{printer.model}"}) == "stopped"


def test_a_stop_that_overtakes_its_start_wins(site: Site, printer: SimulatedPrinter) -> None:
    before = len(printer.inspect()["starts"])
    start = site.cloud.queue("start_print", printer.serial, {"printJobId": "job-late"}, file=LONG, publish=0)
    command = site.cloud.commands[start]
    command.lease_until = time.monotonic() + 3600
    command.agent_id = "nobody"
    stop = site.cloud.queue("stop", printer.serial)
    assert site.cloud.ended(stop).status == "completed"
    command.lease_until = 0
    site.cloud.publish(start)
    assert site.cloud.ended(start).status == "failed"
    assert "superseded" in command.message
    assert len(printer.inspect()["starts"]) == before


def test_a_cancel_at_the_screen_is_told_once_with_its_reason(site: Site, printer: SimulatedPrinter) -> None:
    job = f"job-screen-{printer.model}"
    site.start(printer, job)
    until(lambda: "job_started" in site.cloud.event_kinds(printer.serial, job))
    printer.at_screen("cancel")
    until(lambda: "job_cancelled" in site.cloud.event_kinds(printer.serial, job), 15)
    event = next(e for e in site.cloud.events if e.get("printJobId") == job and e["eventType"] == "job_cancelled")
    assert event["errorData"] == {"reason": "cancelled_at_printer"}
    assert not {"job_failed", "job_completed"} & set(site.cloud.event_kinds(printer.serial, job))


def test_a_print_that_fails_is_told_with_its_code(site: Site, printer: SimulatedPrinter) -> None:
    job = f"job-fails-{printer.model}"
    site.start(printer, job)
    until(lambda: "job_started" in site.cloud.event_kinds(printer.serial, job))
    printer.fail(0x03008003)
    until(lambda: "job_failed" in site.cloud.event_kinds(printer.serial, job), 15)


def test_hms_entries_are_told_once_and_cleared_once(site: Site, printer: SimulatedPrinter) -> None:
    printer.set_hms([(0x03000300, 0x00020003)])

    def kinds() -> list[str]:
        return [kind for kind in site.cloud.event_kinds(printer.serial) if kind.startswith("hms")]

    until(lambda: kinds() == ["hms_error"], 10)
    event = next(e for e in site.cloud.events if e["eventType"] == "hms_error" and e["printerSerial"] == printer.serial)
    assert event["errorData"]["hmsCode"] == "0300_0300_0002_0003"
    assert (event["errorData"]["severity"], event["errorData"]["module"]) == ("critical", "hotbed")
    printer.set_hms([])
    until(lambda: kinds() == ["hms_error", "hms_cleared"], 10)


def test_what_cannot_be_is_failed_with_the_reason(site: Site) -> None:
    printer = site.printers["P1S"]
    assert "unsupported" in site.refused("load_filament", printer)
    assert "no file" in site.refused("start_print", printer, {"fileName": "a.3mf"})
    assert "percent" in site.refused("set_speed", printer, {"percent": "fast"})
    wrong_plate = site.cloud.queue("start_print", printer.serial, {"plateIndex": 7}, file=SHORT)
    assert "plate_7" in site.cloud.ended(wrong_plate).message
    not_a_zip = site.cloud.queue("start_print", printer.serial, {}, file=b"text")
    assert "not a 3MF" in site.cloud.ended(not_a_zip).message
    nowhere = site.cloud.ended(site.cloud.queue("pause", "01P00A999999999"))
    assert (nowhere.status, "no printer" in nowhere.message) == ("failed", True)


def test_developer_mode_off_is_said_plainly(site: Site) -> None:
    printer = site.printers["P1S"]
    printer.set_faults(developer_mode=False)
    try:
        assert "Developer Mode" in site.refused("set_speed", printer, {"percent": 50})
        start = site.cloud.ended(site.cloud.queue("start_print", printer.serial, {}, file=SHORT))
        assert (start.status, "Developer Mode" in start.message) == ("failed", True)
    finally:
        printer.set_faults(developer_mode=True)
        printer.set_hms([])


def test_a_full_disk_fails_the_start_and_leaves_no_half_file(site: Site) -> None:
    printer = site.printers["P1S"]
    names = {file["name"] for file in printer.inspect()["files"]}
    printer.set_faults(disk_full=True)
    try:
        start = site.cloud.ended(site.cloud.queue("start_print", printer.serial, {}, file=LONG))
        assert (start.status, "upload" in start.message) == ("failed", True)
    finally:
        printer.set_faults(disk_full=False)
    assert {file["name"] for file in printer.inspect()["files"]} == names


def test_a_file_already_here_is_not_fetched_again(site: Site) -> None:
    printer = site.printers["X1C"]
    content = make_3mf("twice", layers=3, seconds=60)
    first = site.start(printer, "job-one", content)
    site.free(printer)
    second = site.start(printer, "job-two", content)
    assert [site.cloud.fetches.count(first), site.cloud.fetches.count(second)] == [1, 0]
    assert len({start["subtask_name"] for start in printer.inspect()["starts"][-2:]}) == 2
    site.free(printer)


def test_a_large_file_comes_by_its_download_address(site: Site) -> None:
    printer = site.printers["X1C"]
    site.cloud.inline_files = False
    try:
        site.start(printer, "job-large", make_3mf("large", layers=5, seconds=90))
    finally:
        site.cloud.inline_files = True
    site.free(printer)


def test_a_plain_gcode_file_is_printed_too(site: Site) -> None:
    printer = site.printers["P1S"]
    with zipfile.ZipFile(io.BytesIO(LONG)) as archive:
        gcode = archive.read("Metadata/plate_1.gcode")
    command_id = site.cloud.queue(
        "start_print", printer.serial, {"printJobId": "job-gcode"}, file=gcode, file_name="tower.gcode"
    )
    command = site.cloud.ended(command_id)
    assert command.status == "completed", command.message
    until(lambda: "job_started" in site.cloud.event_kinds(printer.serial, "job-gcode"))
    assert printer.inspect()["files"][-1]["name"].endswith(".gcode")
    site.free(printer)
    until(lambda: "job_cancelled" in site.cloud.event_kinds(printer.serial, "job-gcode"))
