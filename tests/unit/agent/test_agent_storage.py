"""A printer's files and connection, through a whole agent between a simulated printer and a small cloud."""

import hashlib
import json
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agent import run
from edge_agent.config import check
from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.counts import count
from tests.integration.agent_site import TIMING, agent, until
from tests.printer_sections import section
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

MEGABYTE = 1024**2
SIZE = count(60, quick=6) * MEGABYTE
NAME = "big part.gcode.3mf"


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        yield made


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with Farm(["P1S"], state_dir=tmp_path / "farm", speed=20.0) as made:
        yield made


@pytest.fixture
def printer(farm: Farm) -> SimulatedPrinter:
    return farm.printers[0]


@pytest.fixture
def card(printer: SimulatedPrinter, tmp_path: Path) -> Path:
    """The folder that is the printer's storage."""
    return tmp_path / "farm" / "printers" / printer.serial


def settings(cloud: StandInCloud, printers: list[SimulatedPrinter], folder: Path, **timing: float) -> dict[str, Any]:
    return {
        "backend_url": cloud.url,
        "api_key": "k",
        "recipient_id": SITE,
        "state_dir": str(folder / "state"),
        "timing": TIMING | {"pull_wait": 0.5, **timing},
        "printers": [section(printer) for printer in printers],
    }


@contextmanager
def site(cloud: StandInCloud, printers: list[SimulatedPrinter], folder: Path, **changes: Any) -> Iterator[None]:
    """An agent in a thread of this process."""
    stop = threading.Event()
    config = check({**settings(cloud, printers, folder), **changes}, folder / "config.json")
    thread = threading.Thread(target=run, args=(config,), kwargs={"stop": stop}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(6.0)
        assert not thread.is_alive()


def put(card: Path, size: int = SIZE, name: str = NAME, seed: int = 1) -> bytes:
    """A file of so many bytes in the printer's storage."""
    content = random.Random(seed).randbytes(size)
    (card / name).write_bytes(content)
    return content


def fetch(cloud: StandInCloud, printer: SimulatedPrinter, name: str = NAME) -> str:
    return cloud.order("fetch_file", printer.serial, transferId="dl_1", path=f"/{name}", fileName=name, size=SIZE)


def assert_fetched(cloud: StandInCloud, command: str, content: bytes) -> None:
    """The cloud has the file, whole, and knows by which hash."""
    assert cloud.completed(command, count(120, quick=30)) == {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
    transfer = cloud.transfers["dl_1"]
    assert transfer.content == content
    transfer.assert_never_backwards()
    assert transfer.reports[-1]["state"] == "done"


def assert_no_copies(folder: Path) -> None:
    assert list((folder / "state" / "copies").iterdir()) == []


def test_a_download_goes_on_where_its_line_was_cut(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    content = put(card)
    printer.set_faults(cut_download_after=SIZE // 2, download_rate=4 * MEGABYTE)
    with site(cloud, [printer], tmp_path):
        assert_fetched(cloud, fetch(cloud, printer), content)
        assert printer.inspect()["faults"]["cut_download_after"] == 0
        assert cloud.transfers["dl_1"].attempts == [1]
        assert cloud.transfers["dl_1"].states == {"copying", "uploading", "done"}
        assert_no_copies(tmp_path)


def test_a_file_that_changed_meanwhile_is_copied_anew(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    put(card)
    printer.set_faults(download_rate=4 * MEGABYTE)
    with site(cloud, [printer], tmp_path):
        command = fetch(cloud, printer)
        until(lambda: cloud.transfers["dl_1"].most() > 0)
        content = put(card, SIZE - 1, seed=2)
        printer.set_faults(download_rate=0)
        assert_fetched(cloud, command, content)
        assert cloud.transfers["dl_1"].attempts == [1, 2]


def test_the_cloud_may_fail_at_every_step(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    content = put(card, MEGABYTE)
    cloud.refuse("copying", 503, times=2)
    cloud.refuse("done", 503, times=2)
    cloud.refuse("done", 409, detail="sha256")
    cloud.refuse("url", 503, times=2)
    cloud.refuse("dl_1", 500, times=2)
    with site(cloud, [printer], tmp_path):
        assert_fetched(cloud, fetch(cloud, printer), content)
        assert len(cloud.transfers["dl_1"].urls) == 4  # one, two more for what was lost, one for what was not accepted


def test_a_file_that_the_cloud_cannot_digest_is_given_up(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    put(card, MEGABYTE)
    cloud.refuse("done", 500, times=1000)
    with site(cloud, [printer], tmp_path, timing=TIMING | {"pull_wait": 0.5, "retry_ceiling": 0.05}):
        assert cloud.error_code(fetch(cloud, printer)) == "cloud"
        assert_no_copies(tmp_path)


@pytest.mark.parametrize("state", ["copying", "url", "done"])
def test_a_copy_goes_on_under_a_lease_that_was_renumbered(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path, state: str
) -> None:
    content = put(card, MEGABYTE)
    cloud.renumber_at = state
    with site(cloud, [printer], tmp_path):
        assert_fetched(cloud, fetch(cloud, printer), content)
        assert (cloud.fence, cloud.transfers["dl_1"].attempts) == (2, [1])


def test_a_transfer_that_nobody_wants_ends(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    put(card)
    printer.set_faults(download_rate=MEGABYTE)
    with site(cloud, [printer], tmp_path):
        command = fetch(cloud, printer)
        until(lambda: cloud.transfers["dl_1"].most() > 0)
        cloud.refuse("progress", 409, times=100, detail="cancelled")
        told = cloud.result(command)
        assert (told["status"], told["errorMessage"]) == ("failed", "cancelled")
        assert cloud.transfers["dl_1"].content is None
        assert_no_copies(tmp_path)


def test_what_cannot_be_fetched_is_said(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    with (card / "endless.3mf").open("wb") as file:
        file.truncate(2 * 1024**3 + 1)
    (card / "notes.txt").write_text("private")
    with site(cloud, [printer], tmp_path):
        assert cloud.error_code(fetch(cloud, printer, "gone.3mf")) == "not_found"
        assert cloud.error_code(fetch(cloud, printer, "endless.3mf")) == "too_large"
        assert cloud.error_code(fetch(cloud, printer, "notes.txt")) == "refused"
        assert cloud.error_code(fetch(cloud, printer, "../../ca/x.3mf")) == "refused"
        printer.set_faults(refuse_password=True)
        assert cloud.error_code(fetch(cloud, printer)) == "refused"


def test_a_start_and_a_stop_pass_a_slow_copy(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    content = put(card, 4 * MEGABYTE)
    printer.set_faults(download_rate=MEGABYTE // 4)
    cloud.files["file-1"] = make_3mf("tower", layers=60, seconds=20000)
    with site(cloud, [printer], tmp_path):
        slow = fetch(cloud, printer)
        until(lambda: cloud.transfers["dl_1"].most() > 0)
        listing = cloud.order("list_files", printer.serial)
        start = cloud.order("start_print", printer.serial, fileId="file-1", fileName="tower.3mf", printJobId="job-1")
        cloud.completed(start)
        cloud.completed(cloud.order("stop", printer.serial, printJobId="job-1"))
        assert printer.inspect()["gcode_state"] == "FAILED"
        assert not {slow, listing} & cloud.results.keys()
        printer.set_faults(download_rate=0)
        assert_fetched(cloud, slow, content)
        assert NAME in [file["name"] for file in cloud.completed(listing)["files"]]


def test_a_killed_agent_begins_again_and_ends(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    content = put(card)
    printer.set_faults(download_rate=2 * MEGABYTE)
    config = tmp_path / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(settings(cloud, [printer], tmp_path)))
    with agent(config) as process:
        command = fetch(cloud, printer)
        until(lambda: cloud.transfers["dl_1"].most() > 0)
        process.send_signal(signal.SIGKILL)
        process.wait(5.0)
    assert len(list((tmp_path / "state" / "copies").iterdir())) == 1
    printer.set_faults(download_rate=0)
    with agent(config):
        assert_fetched(cloud, command, content)
        assert cloud.transfers["dl_1"].attempts == [1, 2]
        assert_no_copies(tmp_path)


def test_the_files_of_a_printer_are_listed(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    put(card, 10)
    put(card / "cache", 11, "lid.gcode")
    put(card / "timelapse", 12, "film.3mf")
    deep = card.joinpath(*["d" * 250] * 4)
    deep.mkdir(parents=True)
    put(deep, 13, "x" * 50 + ".3mf")
    with site(cloud, [printer], tmp_path):
        found = cloud.completed(cloud.order("list_files", printer.serial))
        assert found["truncated"] is False
        files = {file["path"]: file for file in found["files"]}
        assert files.keys() == {f"/{NAME}", "/cache/lid.gcode"}
        assert (files["/cache/lid.gcode"]["name"], files["/cache/lid.gcode"]["size"]) == ("lid.gcode", 11)
        assert files["/cache/lid.gcode"]["modifiedAt"].endswith("Z")
        printer.set_faults(refuse_password=True)
        assert cloud.error_code(cloud.order("list_files", printer.serial)) == "refused"


def test_a_file_is_sent_to_a_printer_and_not_started(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    content = cloud.files["file-1"] = random.Random(3).randbytes(MEGABYTE)
    order = {"transferId": "dl_1", "fileId": "file-1", "fileName": NAME}
    with site(cloud, [printer], tmp_path):
        assert cloud.completed(cloud.order("send_file", printer.serial, **order)) == {
            "path": f"/{NAME}",
            "size": len(content),
        }
        assert (card / NAME).read_bytes() == content
        assert printer.inspect()["starts"] == []
        transfer = cloud.transfers["dl_1"]
        transfer.assert_never_backwards()
        assert {report["total"] for report in transfer.reports} == {len(content)}
        printer.set_faults(disk_full=True)
        assert cloud.error_code(cloud.order("send_file", printer.serial, **order)) == "no_space"


def test_a_file_that_is_being_printed_is_not_written_over(
    cloud: StandInCloud, printer: SimulatedPrinter, card: Path, tmp_path: Path
) -> None:
    cloud.files["file-1"] = make_3mf("tower", layers=60, seconds=20000)
    (card / "tower.gcode.3mf").write_bytes(cloud.files["file-1"])
    printer.at_screen("start", "tower.gcode.3mf")
    order = {"transferId": "dl_1", "fileId": "file-1", "fileName": "tower.gcode.3mf"}
    with site(cloud, [printer], tmp_path):
        cloud.completed(cloud.order("test_connection", printer.serial))
        assert cloud.error_code(cloud.order("send_file", printer.serial, **order)) == "refused"
        assert (card / "tower.gcode.3mf").read_bytes() == cloud.files["file-1"]


def test_a_connection_is_tested(cloud: StandInCloud, printer: SimulatedPrinter, tmp_path: Path) -> None:
    with site(cloud, [printer], tmp_path):
        found = cloud.completed(cloud.order("test_connection", printer.serial))
        assert (found["serial"], found["model"]) == (printer.serial, "Bambu Lab P1S")
        assert found["firmwareVersion"]
        cloud.printers = [
            {"printerId": "printer-1", "printerSerial": None, "printerIpAddress": printer.host, "accessCode": None}
        ]
        assert cloud.completed(cloud.order("test_connection", None))["serial"] == printer.serial
        assert cloud.error_code(cloud.order("test_connection", "01P00A9")) == "unknown_printer"
        assert cloud.error_code(cloud.order("list_files", "01P00A9")) == "unreachable"
        cloud.printers = [
            {
                "printerId": "printer-1",
                "printerSerial": "01P00A9",
                "printerIpAddress": "127.0.0.99",
                "accessCode": "12345678",
            }
        ]
        assert cloud.error_code(cloud.order("test_connection", "01P00A9")) == "unreachable"
        printer.set_faults(refuse_password=True, drop_connection=True)
        assert cloud.error_code(cloud.order("test_connection", printer.serial)) == "refused"
