"""A whole agent whose disk takes nothing any more: a stop still reaches the printer, and nothing else begins."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_process import AgentProcess
from tests.integration.agent_site import agent, until
from tests.unit.agent.stand_in_cloud import StandInCloud, stand_in_cloud
from tests.unit.agent.test_agent_storage import settings


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        made.files["file-1"] = make_3mf("tower", layers=60, seconds=20000)
        yield made


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["P1S"], state_dir=tmp_path / "farm", speed=20.0) as farm:
        yield farm.printers[0]


def configure(cloud: StandInCloud, printer: SimulatedPrinter, folder: Path) -> Path:
    config = folder / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(settings(cloud, [printer], folder)))
    return config


def start(cloud: StandInCloud, printer: SimulatedPrinter, job: str) -> str:
    return cloud.order("start_print", printer.serial, fileId="file-1", fileName="tower.3mf", printJobId=job)


@contextmanager
def full_disk(process: AgentProcess) -> Iterator[None]:
    """The process can write no byte to any file."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        if process.poll() is None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


def kinds(cloud: StandInCloud) -> list[str]:
    return [event["eventType"] for event in cloud.events if event["eventType"].startswith("job_")]


def test_a_print_is_stopped_and_all_goes_on_when_there_is_room_again(
    cloud: StandInCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with agent(configure(cloud, printer, tmp_path)) as process:
        cloud.completed(start(cloud, printer, "job-1"))
        until(lambda: "job_started" in kinds(cloud))
        with full_disk(process):
            stop = cloud.order("stop", printer.serial, printJobId="job-1")
            until(lambda: printer.inspect()["gcode_state"] == "FAILED", 15, "the print is stopped")
            cloud.completed(stop)
            refused = start(cloud, printer, "job-2")
            until(lambda: cloud.commands[refused]["leased"] > 0, 10)
        until(lambda: kinds(cloud).count("job_cancelled") == 1, 60, "the end of the job is told")
        cloud.commands[refused]["leased"] = 0.0
        until(lambda: refused in cloud.results, 60)
        assert len(printer.inspect()["starts"]) == 1 + (cloud.results[refused]["status"] == "completed")
    assert [each["command"] for each in printer.inspect()["commands"]].count("stop") == 1
    assert kinds(cloud)[:3] == ["job_preparing", "job_started", "job_cancelled"]


def test_an_agent_that_begins_on_a_full_disk_stops_too(
    cloud: StandInCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = configure(cloud, printer, tmp_path)
    with agent(config) as process:
        cloud.completed(start(cloud, printer, "job-1"))
        until(lambda: "job_started" in kinds(cloud))
        process.kill()
        process.wait(5)
    with agent(config) as process, full_disk(process):
        cloud.completed(cloud.order("stop", printer.serial, printJobId="job-1"))
        assert printer.inspect()["gcode_state"] == "FAILED"
