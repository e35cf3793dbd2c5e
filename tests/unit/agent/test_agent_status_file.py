"""The file in which a running agent says how it is."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent import VERSION
from edge_agent.agent import run
from edge_agent.config import check
from edge_agent.status_file import replace_private
from edge_agent.timestamps import parse
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_site import TIMING, until
from tests.printer_sections import section
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

KEY = "key-of-the-site"


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        yield made


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["P1S"], state_dir=tmp_path / "farm", speed=20.0) as farm:
        yield farm.printers[0]


@contextmanager
def agent(url: str, printer: SimulatedPrinter, folder: Path) -> Iterator[Path]:
    """An agent in a thread of this process; its status file."""
    stop = threading.Event()
    config = check(
        {
            "backend_url": url,
            "api_key": KEY,
            "recipient_id": SITE,
            "state_dir": str(folder / "state"),
            "timing": TIMING | {"pull_wait": 0.5},
            "printers": [section(printer, name="Left")],
        },
        folder / "config.json",
    )
    thread = threading.Thread(target=run, args=(config,), kwargs={"stop": stop}, daemon=True)
    thread.start()
    try:
        yield folder / "state" / "status.json"
    finally:
        stop.set()
        thread.join(6.0)
        assert not thread.is_alive()


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def test_the_file_says_how_the_agent_its_printers_and_its_reports_are(
    cloud: StandInCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with agent(cloud.url, printer, tmp_path) as path:
        until(lambda: [each["state"] for each in read(path).get("printers", [])] == ["idle"])
        until(lambda: read(path)["cloud"]["reachable"] is True)
        said = read(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert (said["version"], said["pid"], said["recipient_id"]) == (VERSION, os.getpid(), SITE)
        assert parse(said["started_at"]) <= parse(said["updated_at"])
        assert parse(said["cloud"]["since"]) <= parse(said["updated_at"])
        assert abs(said["clock_skew"]) < 1
        assert said["printers"] == [
            {
                "serial": printer.serial,
                "name": "Left",
                "address": printer.host,
                "state": "idle",
                "connected": True,
                "problem": None,
                "job": None,
            }
        ]
        printer.set_faults(half_open=True, drop_connection=True)
        until(lambda: read(path)["printers"][0]["state"] == "offline")
        assert read(path)["printers"][0]["connected"] is False
        text = path.read_text()
        assert KEY not in text
        assert printer.access_code not in text
    assert not path.exists()


def test_reports_that_wait_for_the_cloud_are_counted(
    cloud: StandInCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    cloud.refuse("batch", 503, times=10_000)
    cloud.refuse("result", 503, times=10_000)
    with agent(cloud.url, printer, tmp_path) as path:
        cloud.order("pause", "NOBODY")
        until(lambda: read(path).get("outbox", {}).get("result") == 1 and read(path)["outbox"]["status"] == 1)
        waiting = read(path)["outbox"]
        assert waiting["event"] == 0
        assert waiting["bytes"] > 100
        assert parse(waiting["oldest"]) <= parse(read(path)["updated_at"])


def test_a_cloud_that_is_not_there_is_told(printer: SimulatedPrinter, tmp_path: Path) -> None:
    with agent("http://127.0.0.1:9", printer, tmp_path) as path:
        until(lambda: read(path).get("cloud", {}).get("reachable") is False)
        assert read(path)["cloud"]["problem"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    other = tmp_path / "another"
    other.write_text("theirs")
    (tmp_path / ".status.json.new").symlink_to(other)
    with pytest.raises(OSError, match="symbolic link"):
        replace_private(tmp_path / "status.json", "ours")
    assert other.read_text() == "theirs"
