"""Files onto Bambu printers: side by side to many printers, one at a time to each, a start's before any copy."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_agent.config import PrinterConfig
from edge_agent.drivers.bambu.storage import BambuStorage
from edge_agent.drivers.base import LineBroken
from edge_agent.execution import Refused
from edge_agent.timestamps import Clock
from local.simulator.farm import Farm, SimulatedPrinter
from tests.counts import count

PRINTERS = count(8, quick=3)
SIZE = 2 * 1024**2


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with Farm(["P1S"] * PRINTERS, state_dir=tmp_path / "farm", speed=20.0) as made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The one cached file that all printers are sent."""
    path = tmp_path / "cached"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


def storage(printer: SimulatedPrinter) -> BambuStorage:
    config = PrinterConfig(
        serial=printer.serial,
        address=printer.host,
        access_code=printer.access_code,
        mqtt_port=printer.mqtt_port,
        ftps_port=printer.ftps_port,
        ca_file=printer.ca_file,
    )
    return BambuStorage(config, Clock(), 5.0, lambda _name: False)


def on_card(tmp_path: Path, printer: SimulatedPrinter, name: str) -> bytes:
    return (tmp_path / "farm" / "printers" / printer.serial / name).read_bytes()


class Gate:
    """A progress that holds an upload up once it is under way."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, sent: int) -> None:
        if sent:
            self.reached.set()
            assert self.opened.wait(15)


def test_printers_are_sent_files_side_by_side(farm: Farm, source: Path, tmp_path: Path) -> None:
    together = threading.Barrier(PRINTERS, timeout=15)
    met: set[str] = set()

    def send(printer: SimulatedPrinter) -> None:
        def progress(sent: int) -> None:
            if sent and printer.serial not in met:
                met.add(printer.serial)
                together.wait()

        storage(printer).send_first(source, "part.gcode.3mf", progress)

    with ThreadPoolExecutor(PRINTERS) as pool:
        list(pool.map(send, farm.printers))
    for printer in farm.printers:
        assert on_card(tmp_path, printer, "part.gcode.3mf") == source.read_bytes()


def test_one_printer_is_sent_one_file_at_a_time(farm: Farm, source: Path, tmp_path: Path) -> None:
    printer = farm.printers[0]
    files, gate = storage(printer), Gate()
    waited: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(files.send_first, source, "part.gcode.3mf", gate)
        assert gate.reached.wait(10)
        second = pool.submit(files.send, source, "part.gcode.3mf", waiting(waited))
        while len(waited) < 2:
            assert not second.done()
        gate.opened.set()
        first.result(15)
        second.result(15)
    assert waited[:2] == [0, 0]
    assert on_card(tmp_path, printer, "part.gcode.3mf") == source.read_bytes()


def waiting(waited: list[int]) -> Callable[[int], None]:
    return waited.append


def test_a_start_breaks_a_copy_off_and_the_copy_can_be_made_again(farm: Farm, source: Path, tmp_path: Path) -> None:
    printer = farm.printers[0]
    files, gate = storage(printer), Gate()
    with ThreadPoolExecutor(2) as pool:
        copy = pool.submit(files.send, source, "copy.3mf", gate)
        assert gate.reached.wait(10)
        asked = threading.Event()
        start = pool.submit(files.send_first, source, "start.gcode.3mf", lambda _sent: asked.set())
        assert asked.wait(10)
        gate.opened.set()
        with pytest.raises(LineBroken, match="goes first"):
            copy.result(15)
        start.result(15)
    assert on_card(tmp_path, printer, "start.gcode.3mf") == source.read_bytes()
    files.send(source, "copy.3mf", lambda _sent: None)
    assert on_card(tmp_path, printer, "copy.3mf") == source.read_bytes()


def test_who_waits_for_the_turn_can_be_cancelled(farm: Farm, source: Path) -> None:
    files, gate = storage(farm.printers[0]), Gate()

    def cancelled(_sent: int) -> None:
        raise Refused("cancelled by stop")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(files.send_first, source, "part.gcode.3mf", gate)
        assert gate.reached.wait(10)
        with pytest.raises(Refused):
            files.send_first(source, "other.gcode.3mf", cancelled)
        gate.opened.set()
        first.result(15)
