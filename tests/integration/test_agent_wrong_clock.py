"""A whole agent on a machine whose clock is wrong: nothing moves or heats by a deadline, a stop and a cool-down do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.agent import run
from edge_agent.config import check
from edge_agent.timestamps import Clock, utc_now
from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_site import until
from tests.unit.agent.stand_in_cloud import StandInCloud, stand_in_cloud
from tests.unit.agent.test_agent_storage import settings


class Wrong:
    """A machine's clock."""

    ahead = timedelta()

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: utc_now() + self.ahead)


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        made.files["file-1"] = make_3mf("tower", layers=60, seconds=20000)
        yield made


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["P1S"], state_dir=tmp_path / "farm", speed=20.0) as farm:
        yield farm.printers[0]


@contextmanager
def site(cloud: StandInCloud, printer: SimulatedPrinter, folder: Path, wrong: Wrong) -> Iterator[None]:
    """An agent in a thread of this process, on a machine with this clock."""
    stop = threading.Event()
    config = check(settings(cloud, [printer], folder), folder / "config.json")
    thread = threading.Thread(target=run, args=(config,), kwargs={"stop": stop, "clock": wrong.clock}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(6.0)
        assert not thread.is_alive()


def start(cloud: StandInCloud, printer: SimulatedPrinter) -> str:
    return cloud.order("start_print", printer.serial, fileId="file-1", fileName="tower.3mf", printJobId="job-1")


def test_only_what_is_harmless_is_done_until_the_clock_is_set(
    cloud: StandInCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    wrong = Wrong()
    with site(cloud, printer, tmp_path, wrong):
        cloud.completed(start(cloud, printer))
        wrong.ahead = timedelta(hours=-1)
        for kind, metadata in (("set_temperature", {"bedTemp": 60}), ("send_gcode", {"gcode": "M400"})):
            told = cloud.result(cloud.order(kind, printer.serial, **metadata))
            assert told["status"] == "failed"
            assert "clock differs from the cloud's by 3600 s; set it (NTP)" in told["errorMessage"]
        assert [each["command"] for each in printer.inspect()["commands"]].count("gcode_line") == 0
        for kind in ("light_off", "pause", "stop", "cooldown"):
            cloud.completed(cloud.order(kind, printer.serial))
        assert printer.inspect()["gcode_state"] == "FAILED"
        again = cloud.result(start(cloud, printer))
        assert "set it (NTP)" in again["errorMessage"]
        assert len(printer.inspect()["starts"]) == 1
        wrong.ahead = timedelta()
        cloud.completed(cloud.order("set_temperature", printer.serial, bedTemp=40))
        until(lambda: printer.inspect()["bed_target"] == 40, 5)
