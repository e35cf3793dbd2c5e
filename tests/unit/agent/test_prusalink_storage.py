"""The files of a PrusaLink printer, and the connection test, at a simulated one."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_agent.config import AgentConfig, Timing
from edge_agent.drivers.base import ConnectionFailed, LineBroken, StorageFailed, Stranger
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.probe import visit, visit_stranger
from edge_agent.drivers.prusalink.storage import PrusaStorage
from edge_agent.timestamps import Clock
from local.simulator.farm import Farm
from local.simulator.prusa_printer import SimulatedPrusa

TIMING = Timing(ack_timeout=0.5, connect_timeout=2, ftps_reply=2)
SITE = AgentConfig(backend_url="http://127.0.0.1:9", api_key="k", recipient_id="site-1", timing=TIMING)
CONTENT = b"G1 X1 Y1 E1\n" * 30_000


def nothing() -> None:
    """No reason to stop."""


def ignore(_sent: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrusa]:
    with Farm(["CoreOne"], state_dir=tmp_path / "farm") as farm:
        yield farm.prusas[0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def line(printer: SimulatedPrusa, *, port: int | None = None, key: str | None = None) -> Line:
    return Line(printer.host, port or printer.http_port, key or printer.access_code, TIMING)


def storage(printer: SimulatedPrusa, *, port: int | None = None) -> PrusaStorage:
    return PrusaStorage(line(printer, port=port))


def test_a_file_goes_up_is_listed_and_comes_down_the_same(printer: SimulatedPrusa, source: Path) -> None:
    progress: list[int] = []
    sent = storage(printer).send(source, "tall vase #3.gcode", progress.append)
    assert (sent.path, sent.name, sent.size) == ("/usb/tall vase #3.gcode", "tall vase #3.gcode", len(CONTENT))
    assert progress == sorted(progress)
    assert progress[0] == 0
    (there,) = printer.inspect()["files"]
    assert there["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert storage(printer).files(10, nothing).files == [sent]
    with storage(printer).read(sent.path, 0) as reading:
        assert (reading.offset, b"".join(reading.blocks)) == (0, CONTENT)


def test_a_printer_that_cannot_begin_in_the_middle_begins_at_the_start(printer: SimulatedPrusa, source: Path) -> None:
    storage(printer).send(source, "vase.gcode", ignore)
    with storage(printer).read("/usb/vase.gcode", 1000) as reading:
        assert (reading.offset, b"".join(reading.blocks)) == (0, CONTENT)


def test_folders_are_listed_too_the_newest_first_and_print_files_alone(printer: SimulatedPrusa) -> None:
    inside = printer.drive.folder / "parts" / "small ones"
    inside.mkdir(parents=True)
    for age, path in enumerate((inside / "clip.bgcode", inside.parent / "lid.gcode", printer.drive.folder / "b.gcode")):
        path.write_bytes(b"G1 X1\n" * (age + 1))
        os.utime(path, (time.time() - 100 * age,) * 2)
    (printer.drive.folder / "notes.txt").write_text("no print file")
    listing = storage(printer).files(2, nothing)
    assert [file.path for file in listing.files] == ["/usb/parts/small ones/clip.bgcode", "/usb/parts/lid.gcode"]
    assert [file.size for file in listing.files] == [6, 12]
    assert listing.truncated
    assert all(file.modified_at is not None for file in listing.files)


def test_a_file_of_the_same_name_is_replaced(printer: SimulatedPrusa, source: Path) -> None:
    storage(printer).send(source, "vase.gcode", ignore)
    source.write_bytes(b"G1 X2\n")
    assert storage(printer).send(source, "vase.gcode", ignore).size == 6
    assert [file["size"] for file in printer.inspect()["files"]] == [6]


def test_a_copy_that_is_given_up_leaves_nothing(printer: SimulatedPrusa, source: Path) -> None:
    class GivenUp(Exception):
        """Raised by the progress."""

    def give_up(sent: int) -> None:
        if sent:
            raise GivenUp

    with pytest.raises(GivenUp):
        storage(printer).send(source, "vase.gcode", give_up)
    assert printer.inspect()["files"] == []


def test_the_file_of_a_start_goes_before_a_copy(printer: SimulatedPrusa, source: Path) -> None:
    begun, never = threading.Event(), threading.Event()

    def slowly(_sent: int) -> None:
        begun.set()
        never.wait(0.1)

    there = storage(printer)
    with ThreadPoolExecutor(1) as pool:
        copy = pool.submit(there.send, source, "copy.gcode", slowly)
        assert begun.wait(5)
        assert there.send_first(source, "start.gcode", ignore).size == len(CONTENT)
        with pytest.raises(LineBroken, match="goes first"):
            copy.result(10)
    assert [file["name"] for file in printer.inspect()["files"]] == ["start.gcode"]
    assert there.send(source, "copy.gcode", ignore).size == len(CONTENT)


@pytest.mark.parametrize(
    ("fault", "codes", "passes"),
    [
        ("disk_full", {"no_space"}, False),
        ("refuse_password", {"refused"}, False),
        ("half_open", {"interrupted"}, True),
        ("unreachable", {"interrupted", "unreachable"}, True),
    ],
)
def test_what_goes_wrong_has_its_code(
    printer: SimulatedPrusa, source: Path, fault: str, codes: set[str], passes: bool
) -> None:
    printer.set_faults(**{fault: True})
    with pytest.raises(StorageFailed) as raised:
        storage(printer).send(source, "vase.gcode", ignore)
    assert raised.value.code in codes
    assert isinstance(raised.value, LineBroken) == passes


def test_what_is_not_there_or_not_wanted_is_said(printer: SimulatedPrusa, source: Path) -> None:
    def read() -> None:
        with storage(printer).read("/usb/none.gcode", 0):
            pass

    attempts: list[tuple[Callable[[], object], str]] = [
        (lambda: storage(printer).find("/usb/none.gcode"), "not_found"),
        (lambda: storage(printer).find("/usb"), "not_found"),
        (read, "not_found"),
        (lambda: storage(printer).send(source, "model.3mf", ignore), "refused"),
        (lambda: storage(printer).send(source, "../x.gcode", ignore), "refused"),
    ]
    for attempt, code in attempts:
        with pytest.raises(StorageFailed) as raised:
            attempt()
        assert raised.value.code == code
    with pytest.raises(LineBroken) as broken:
        storage(printer, port=1).find("/usb/none.gcode")
    assert broken.value.code == "unreachable"


def test_a_printer_says_who_it_is(printer: SimulatedPrusa) -> None:
    for known in (printer.serial, printer.serial.lower(), ""):
        found = visit(line(printer), known, nothing)
        assert (found.serial, found.model, found.firmware_version) == (printer.serial, "Prusa CORE One", "6.5.0")


def test_a_connection_test_fails_for_its_reason(printer: SimulatedPrusa) -> None:
    attempts: list[tuple[Callable[[], object], str]] = [
        (lambda: visit(line(printer, key="wrong"), printer.serial, nothing), "refused"),
        (lambda: visit(line(printer), "another", nothing), "wrong_serial"),
        (lambda: visit(line(printer, port=1), printer.serial, nothing), "unreachable"),
        (lambda: visit_stranger(Stranger(printer.serial, printer.host, ""), SITE, Clock(), nothing), "unknown_printer"),
    ]
    for attempt, code in attempts:
        with pytest.raises(ConnectionFailed) as raised:
            attempt()
        assert raised.value.code == code
